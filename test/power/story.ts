/**
 * One seeded story of a machine that loses its power again and again while its server works, on a disk of its own: after
 * each cut the rows and files that are left, and then the next server, are held to all that was answered. The seed says
 * what is done and when the power is cut; how far the server has come by then is the machine's.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { seeded } from '../../src/fake-replicate/chance.ts'
import type { EndedEntry, PostEntry } from '../../src/fake-replicate/ledger.ts'
import { migrate } from '../../src/store/migrate.ts'
import { migrations } from '../../src/store/migrations/all.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { type FakeReplicate, startFakeReplicate } from '../fake-replicate/start.ts'
import { type LaunchedServer, ask, launchServer } from '../server/process.ts'
import { type Audit, audit } from './audit.ts'
import { type Counts, type Customers, type Doing, createCustomers } from './customers.ts'
import { type PowerDisk, createPowerDisk } from './disk.ts'

/** What is to be under way when the power is cut. */
export const aims = [
  'migration',
  'start',
  'upload',
  'approval',
  'render',
  'stitching',
  'retention',
  'any',
] as const
export type Aim = (typeof aims)[number]

export interface Story {
  readonly seed: number
  readonly cuts: number
  readonly isPaid: boolean
  readonly isPruned: boolean
  /** The migrations that are done in the folder that is found; 0: there is none. */
  readonly migrated: number
}

export interface Outcome extends Counts {
  readonly seed: number
  /** Cuts by what was under way. */
  readonly cuts: Readonly<Record<Aim, number>>
  /** Files read and held against their names. */
  readonly artifacts: number
  readonly wrong: readonly string[]
}

export const cutsAStory = 10

/** One in five is paid for; of the others most remove what is old. */
export const storyOf = (seed: number, cuts: number): Story => ({
  seed,
  cuts,
  isPaid: seed % 5 === 0,
  isPruned: ![0, 3].includes(seed % 5),
  migrated: seed % migrations.length,
})

/** So long after the server has begun to open its database it is cut at the latest, ms: migrations take less. */
const migrationMs = 120
const startMs = 1500
/** Of a story, the most that meet its migrations. */
const migrationCuts = 3
/** What is aimed at is waited for no longer. */
const aimedWithinMs = 10_000
const spansMs: Readonly<Record<Aim, number>> = {
  migration: migrationMs,
  start: startMs,
  upload: 60,
  approval: 12,
  render: 900,
  stitching: 400,
  retention: 25,
  any: 1500,
}

export async function tell(story: Story): Promise<Outcome> {
  const { seed, isPaid, isPruned } = story
  const random = seeded(seed * 7919)
  const disk = await createPowerDisk()
  const launched: LaunchedServer[] = []
  const launch = (): LaunchedServer => {
    const server = launchServer(data, environment())
    // Whoever waits for it hears of it.
    server.listening.catch(() => undefined)
    launched.push(server)
    return server
  }
  const fake = isPaid ? await startFakeReplicate({ seed, startMs: 20, renderMs: [50, 800] }) : undefined
  const customers = createCustomers({ random, isPaid, isPruned })
  const wrong: string[] = []
  const cuts = Object.fromEntries(aims.map((aim) => [aim, 0])) as Record<Aim, number>
  let artifacts = 0
  let laterDays = 0
  const environment = (): Record<string, string> => ({
    LOCAL_MAX_CONCURRENCY: '2',
    RATE_LIMIT_PER_MINUTE: '0',
    MIN_FREE_DISK_MB: '0',
    LOG_LEVEL: 'warn',
    NODE_OPTIONS: `--import=${laterPath}`,
    LATER_DAYS: String(laterDays),
    ...(isPruned && {
      RETAIN_EVENTS_DAYS: '1',
      RETAIN_FILMS_DAYS: '1',
      RETAIN_CLIPS_DAYS: '1',
      RETAIN_INPUTS_DAYS: '1',
    }),
    ...(fake && {
      REPLICATE_API_TOKEN: fake.token,
      REPLICATE_BASE_URL: fake.url,
      REPLICATE_START_DELAY_MS: '50',
    }),
  })
  const data = join(disk.directory, 'data')
  const look = async (when: string): Promise<Audit> => {
    const found = await audit(data)
    artifacts += found.files.size
    wrong.push(...found.wrong.map((what) => `${when}: ${what}`))
    return found
  }

  /** What is wrong then follows from what was. */
  const isBroken = (): boolean => wrong.length + customers.wrong.length > 0

  const tellAll = async (): Promise<void> => {
    const old = story.migrated > 0 ? await makeOldFolder(data, story.migrated) : undefined
    let { migrated } = await look('before')
    for (let cut = 1; cut <= story.cuts; cut++) {
      const isMigrated = cut > migrationCuts || migrated === migrations.length
      const aim = isMigrated ? aimOf(seed + cut, story) : 'migration'
      if (isPruned && random() < 0.4) {
        laterDays += 2
        customers.grow()
      }
      const reached = await cutDuring(aim, { server: launch(), data, disk, customers, random })
      cuts[reached]++
      await disk.restore()
      const found = await look(`after cut ${cut}`)
      if (found.migrated < migrated)
        wrong.push(`after cut ${cut}: ${migrated - found.migrated} migrations are undone`)
      ;({ migrated } = found)
      if (isBroken()) return
    }
    const server = launch()
    const url = await server.listening
    await customers.check(url)
    if (isBroken()) return
    await customers.settle(url)
    if (fake) wrong.push(...(await compareBooks(url, fake)))
    await server.kill('SIGTERM')
    laterDays += 2
    const cleaning = launch()
    await ask({ url: await cleaning.listening }, 'POST', '/api/v3/storage/prune')
    await cleaning.kill('SIGTERM')
    wrong.push(...leftOver(data, await look('at the end')))
    if (old) wrong.push(...(await old.check()))
  }

  try {
    await tellAll()
  } catch (error) {
    wrong.push(String(error instanceof Error ? error.stack : error))
  } finally {
    await Promise.all(launched.map((server) => server.kill('SIGKILL')))
    await fake?.kill()
    await disk.remove()
  }
  const { counts } = customers
  return { seed, ...counts, cuts, artifacts, wrong: [...wrong, ...customers.wrong] }
}

const laterPath = new URL('later.ts', import.meta.url).href

interface Run {
  readonly server: LaunchedServer
  readonly data: string
  readonly disk: PowerDisk
  readonly customers: Customers
  readonly random: () => number
}

/** Each in its turn, so that a story meets all of them. */
function aimOf(turn: number, { isPruned }: Pick<Story, 'isPruned'>): Aim {
  const open = aims.filter((aim) => aim !== 'migration' && (aim !== 'retention' || isPruned))
  return open[turn % open.length]!
}

/** Resolves to what was under way when the power was cut: `any` where it did not come to what was aimed at. */
async function cutDuring(aim: Aim, { server, data, disk, customers, random }: Run): Promise<Aim> {
  const afterMs = random() * spansMs[aim]
  const cut = async (): Promise<void> => {
    customers.goDark()
    await disk.cut()
    await server.kill('SIGKILL')
  }
  if (aim === 'migration' || aim === 'start') {
    if (aim === 'migration') await until(() => existsSync(join(data, 'coordinator.db-wal')))
    await setTimeout(afterMs)
    await cut()
    return aim
  }
  const url = await server.listening
  await customers.check(url)
  const stopped = new AbortController()
  const work = customers.work(url, { signal: stopped.signal, prefer: preferred[aim] })
  const isReached = await until(() => isUnderWay(aim, customers), aimedWithinMs)
  await setTimeout(afterMs)
  await cut()
  stopped.abort()
  await work
  return isReached ? aim : 'any'
}

const preferred: Readonly<Partial<Record<Aim, Doing>>> = {
  upload: 'upload',
  approval: 'approve',
  render: 'approve',
  stitching: 'approve',
  retention: 'prune',
}

function isUnderWay(aim: Aim, { isDoing, isIn }: Customers): boolean {
  switch (aim) {
    case 'upload':
      return isDoing('upload')
    case 'approval':
      return isDoing('approve') || isDoing('control')
    case 'retention':
      return isDoing('prune')
    case 'render':
      return isIn('rendering')
    case 'stitching':
      return isIn('stitching')
    default:
      return true
  }
}

async function until(reached: () => boolean, withinMs = 30_000): Promise<boolean> {
  const end = performance.now() + withinMs
  while (!reached()) {
    if (performance.now() > end) return false
    await setTimeout(1)
  }
  return true
}

/** What a store holds that was tidied after everything had ended: what rows name, and nothing else. */
function leftOver(data: string, { files, named, tasks }: Audit): readonly string[] {
  const wrong = [...files].filter((id) => !named.has(id)).map((id) => `nothing names the artifact ${id}`)
  if (tasks > 0) wrong.push(`${tasks} tasks are left`)
  for (const folder of ['work', 'removing'])
    for (const name of readdirSync(join(data, folder))) wrong.push(`${folder}/${name} is left`)
  return wrong
}

/** What was booked is what the provider billed, each attempt once. */
async function compareBooks(url: string, fake: FakeReplicate): Promise<readonly string[]> {
  const entries = await fake.ledger()
  const posts = entries.filter((entry): entry is PostEntry => entry.what === 'post')
  const billed = entries
    .filter((entry): entry is EndedEntry => entry.what === 'ended')
    .reduce((sum, { billed_micros }) => sum + billed_micros, 0)
  const { body } = await ask({ url }, 'GET', '/api/v3/ledger')
  const wrong: string[] = []
  if (new Set(posts.map(({ mark }) => mark)).size !== posts.length) wrong.push('an attempt was sent twice')
  const booked = Math.round(body.totals.spent * 1e6)
  if (booked !== billed) wrong.push(`${booked} micros are booked and ${billed} billed`)
  if (body.totals.reserved !== 0) wrong.push(`${body.totals.reserved} USD stay reserved`)
  if (body.unaccounted.length > 0) wrong.push(`strays: ${JSON.stringify(body.unaccounted)}`)
  return wrong
}

const oldJobs = 300

/** A folder as an older version left it: its database with so many migrations, and a photograph. */
async function makeOldFolder(
  data: string,
  migrated: number,
): Promise<{ check(): Promise<readonly string[]> }> {
  const bytes = Buffer.from('a photograph of an older version')
  const id = createHash('sha256').update(bytes).digest('hex')
  mkdirSync(join(data, 'artifacts', id.slice(0, 2)), { recursive: true })
  writeFileSync(join(data, 'artifacts', id.slice(0, 2), id), bytes)
  const path = join(data, 'coordinator.db')
  const database = openSqlite({ path })
  await migrate(database, migrations.slice(0, 1))
  await database.transaction(async (tx) => {
    const asset = `insert into assets (id, content_type, width, height, size, master, inserted_at)
      values ($1, 'image/jpeg', 320, 240, $2, $1, $3)`
    await tx.run(asset, [id, bytes.length, Date.now()])
    for (let job = 1; job <= oldJobs; job++) {
      await tx.run(
        `insert into jobs (type, status, video_name, priority, parameters, storyboard, progress, price_book, ended_at,
           inserted_at, updated_at)
         values ('property_photos', 'cancelled', $1, 50, '{}', '{"scenes":[]}', '{}', '', $2, $2, $2)`,
        [`old ${job}`, Date.now()],
      )
      await tx.run(`insert into job_labels (name, value, job_id) values ('client_id', 'someone', $1)`, [job])
    }
  })
  await migrate(database, migrations.slice(0, migrated))
  await database.close()
  execFileSync('sync', ['--file-system', data])
  return {
    async check() {
      const after = openSqlite({ path })
      try {
        const row = await after.get(`select count(*) as count from jobs
          where video_name like 'old %' and client_id = 'someone'`)
        return Number(row?.['count']) === oldJobs
          ? []
          : [`${String(row?.['count'])} of ${oldJobs} old jobs are there`]
      } finally {
        await after.close()
      }
    },
  }
}
