/**
 * Tells as many stories as asked for, or one that is killed at each await, and says what came of them.
 * Run: npx node test/paid/run.ts [stories] [first seed] [--postgres]
 *      npx node test/paid/run.ts awaits
 * With --postgres, or where TEST_DATABASE_URL names a server, each story has a database of its own there; otherwise SQLite.
 */
import { parseArgs } from 'node:util'
import { Client } from 'pg'
import { openPostgres } from '../../src/store/postgres.ts'
import { migrate } from '../../src/store/migrate.ts'
import { migrations } from '../../src/store/migrations/all.ts'
import { leaseOf } from '../store/lease.ts'
import { serverOfProgram } from '../store/postgres-server.ts'
import { type Outcome, type Story, killedEverywhere, storyOf, tell } from './scenario.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { postgres: { type: 'boolean', default: process.env['TEST_DATABASE_URL'] !== undefined } },
})
const [what = '10000', from = '1'] = positionals

async function* seeded(
  count: number,
  first: number,
  told: (story: Story) => Promise<Outcome>,
): AsyncGenerator<Outcome> {
  for (let seed = first; seed < first + count; seed++) yield told(storyOf(seed))
}

async function* everywhere(): AsyncGenerator<Outcome> {
  yield* killedEverywhere(true, 0)
  yield* killedEverywhere(false, 120_000)
  yield* killedEverywhere(true, 0, 3)
}

async function* onPostgres(count: number, first: number): AsyncGenerator<Outcome> {
  const server = await serverOfProgram()
  const admin = new Client({ connectionString: server.url })
  await admin.connect()
  const template = `stories_${process.pid}`
  const urlOf = (name: string): string => Object.assign(new URL(server.url), { pathname: `/${name}` }).href
  const drop = (name: string): Promise<unknown> => admin.query(`drop database if exists ${name} with (force)`)
  try {
    await admin.query(`create database ${template}`)
    const empty = await openPostgres({ connectionString: urlOf(template) })
    await migrate(empty, migrations)
    await empty.close()
    yield* seeded(count, first, async (story) => {
      const name = `${template}_${story.seed}`
      await admin.query(`create database ${name} template ${template}`)
      const database = await openPostgres({ connectionString: urlOf(name), poolSize: 8 })
      try {
        return await tell(story, () => Promise.resolve(leaseOf(database, () => undefined)))
      } finally {
        await database.close()
        await drop(name)
      }
    })
  } finally {
    await drop(template)
    await admin.end()
    await server.stop()
  }
}

const outcomes = (): AsyncGenerator<Outcome> => {
  if (what === 'awaits') return everywhere()
  return values.postgres ? onPostgres(Number(what), Number(from)) : seeded(Number(what), Number(from), tell)
}

const sum = { stories: 0, wrong: 0, kills: 0, posts: 0, billed: 0, held: 0 }
const begun = performance.now()
for await (const outcome of outcomes()) {
  sum.stories++
  sum.kills += outcome.kills
  sum.posts += outcome.posts
  sum.billed += outcome.rendersBilled
  sum.held += outcome.held
  if (outcome.wrong.length === 0) continue
  sum.wrong++
  console.log(`seed ${outcome.seed}: ${outcome.wrong.join('; ')}`)
}
console.log(
  `${sum.stories} stories: ${sum.kills} kills, ${sum.posts} POSTs, ${sum.billed} renders billed, ${sum.held} attempts decided by a person; ${sum.wrong} broke a promise (${Math.round((performance.now() - begun) / 1000)} s)`,
)
process.exitCode = sum.wrong === 0 ? 0 : 1
