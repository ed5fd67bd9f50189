/**
 * One round: a real server on real sockets buys renders of the second provider, is killed again and again, and is asked by a
 * client that repeats whatever it got no answer to. At its end what the provider made and billed is held against the books.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { seeded } from '../../src/fake-replicate/chance.ts'
import { picture, type ServerProcess, startServer } from '../server/process.ts'
import { origin } from './clock.ts'
import { openProvider } from './provider.ts'

const program = new URL('server.ts', import.meta.url).pathname
const token = 'r8_rounds'
const usdPerClip = 0.25
const atOnce = 4
const startDelayMs = 1000

const models = {
  version: 'rounds',
  currency: 'USD',
  models: {
    'rounds/clip': {
      renderer: 'replicate',
      input: { prompt: '{prompt}', image: '{first_image}', seconds: '{seconds}' },
      offers: [
        {
          resolution: '360p',
          short_side: 360,
          seconds: [1],
          last_image: false,
          audio: false,
          usd_per_clip: usdPerClip,
        },
      ],
    },
  },
}

export interface RoundReport {
  readonly seed: number
  readonly kills: number
  readonly faults: number
  readonly made: number
  readonly billed: number
  /** Each promise that was broken, in words. */
  readonly broken: readonly string[]
}

/** Real time; far longer than a round that goes well. */
const roundMs = 300_000

/** @param clip of one second, as the model's offer says */
export async function playRound(seed: number, clip: Uint8Array): Promise<RoundReport> {
  const random = seeded(seed)
  const whole = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1))
  const directory = await mkdtemp(join(tmpdir(), 'round-'))
  const provider = await openProvider({ random, clip, token, microsPerClip: usdPerClip * 1e6 })
  const port = String(await freePort())
  await writeFile(join(directory, 'models.json'), JSON.stringify(models))
  const isTold = random() < 0.5
  let server: ServerProcess | undefined
  let kills = 0
  const start = async (): Promise<void> => {
    server = await startServer(
      join(directory, 'data'),
      {
        PORT: port,
        ROUNDS_ORIGIN: String(origin),
        REPLICATE_API_TOKEN: token,
        REPLICATE_BASE_URL: provider.url,
        REPLICATE_MAX_CONCURRENCY: String(atOnce),
        REPLICATE_START_DELAY_MS: String(startDelayMs),
        MODELS_FILE: join(directory, 'models.json'),
        MIN_FREE_DISK_MB: '0',
        RATE_LIMIT_PER_MINUTE: '0',
        LOG_LEVEL: 'warn',
        ...(isTold ? { PUBLIC_BASE_URL: `http://127.0.0.1:${port}` } : {}),
      },
      program,
    )
  }
  const kill = async (): Promise<void> => {
    await server?.kill('SIGKILL')
    server = undefined
    kills++
  }

  const isOver = new AbortController()
  const overAt = performance.now() + roundMs
  const base = `http://127.0.0.1:${port}/api/v3`
  let requests = 0
  /** Asks until there is an answer, with one key. */
  const ask = async (
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: any }> => {
    const key = `round-${seed}-${requests++}`
    for (;;) {
      if (performance.now() > overAt + 30_000 || isOver.signal.aborted)
        throw new Error(`no answer to ${method} ${path}`)
      const response = await fetch(base + path, {
        method,
        headers: {
          ...(method === 'POST' && path !== '/assets' ? { 'idempotency-key': key } : {}),
          'content-type': body instanceof Buffer ? 'image/jpeg' : 'application/json',
        },
        ...(body === undefined
          ? {}
          : { body: body instanceof Buffer ? new Uint8Array(body) : JSON.stringify(body) }),
        signal: AbortSignal.timeout(20_000),
      }).catch(() => undefined)
      const text = await response?.text().catch(() => undefined)
      if (response && text !== undefined && response.status !== 409 && response.status < 500)
        return { status: response.status, body: JSON.parse(text) }
      await sleep(100)
    }
  }

  /** How often each prompt was wanted as a clip, and whether one that nobody waits for may have been made. */
  const wanted = new Map<string, number>()
  const cancelled = new Set<string>()
  const want = (prompt: string): void => void wanted.set(prompt, (wanted.get(prompt) ?? 0) + 1)
  const broken: string[] = []

  const live = async (n: number): Promise<number> => {
    const scenes = whole(1, 3)
    const isCancelled = random() < 0.2
    const boards: { asset_ids: readonly string[]; prompt: string }[] = []
    const prompts = new Set<string>()
    for (let scene = 0; scene < scenes; scene++) {
      // Of jobs that are not cancelled some scenes are equal: one clip serves them all.
      const look = isCancelled ? 100 + n * 10 + scene : whole(0, 5)
      const asset = await ask('POST', '/assets', await picture(look * 30))
      const prompt = `Round ${seed}, look ${look}.`
      boards.push({ asset_ids: [asset.body.id], prompt })
      prompts.add(prompt)
    }
    const made = await ask('POST', '/jobs', {
      type: 'property_photos',
      parameters: {
        photos: boards.map(({ asset_ids: [asset_id] }) => ({ asset_id, room: 'room' })),
        model: 'rounds/clip',
        resolution: '360p',
        clip_duration: 1,
        transition: 'cut',
      },
      storyboard: { scenes: boards },
    })
    if (made.status !== 201) throw new Error(JSON.stringify(made.body))
    const id = made.body.job_id as number
    const approved = await ask('POST', `/jobs/${id}/approve`)
    if (approved.status !== 200)
      broken.push(`approving job ${id} was answered ${approved.status}: ${JSON.stringify(approved.body)}`)
    for (const prompt of prompts)
      if (isCancelled) cancelled.add(prompt)
      else if (!wanted.has(prompt)) want(prompt)
    if (isCancelled) {
      await sleep(random() * 4000)
      await ask('POST', `/jobs/${id}/cancel`)
    }
    return id
  }

  /** To its end; what failed for a reason that passes is asked for again. */
  const end = async (id: number): Promise<any> => {
    for (;;) {
      const { body: job } = await ask('GET', `/jobs/${id}`)
      if (job.status === 'completed' || job.status === 'cancelled') return job
      if (job.status === 'failed') await ask('POST', `/jobs/${id}/retry`)
      // Faults without end prove nothing.
      if (performance.now() > overAt - roundMs / 2) provider.calm()
      if (performance.now() > overAt) {
        const { body: ledger } = await ask('GET', '/ledger?limit=500')
        const open = ledger.entries.filter(({ reserved }: any) => reserved > 0)
        throw new Error(
          `job ${id} has no end: ${JSON.stringify({ status: job.status, waiting: job.waiting, error: job.error, open })}`,
        )
      }
      await sleep(200)
    }
  }

  const regenerate = async (id: number): Promise<void> => {
    const { body } = await ask('GET', `/jobs/${id}/scenes`)
    const scene = body.scenes[whole(0, body.scenes.length - 1)]
    const { status, body: edited } = await ask('POST', `/jobs/${id}/scenes/${scene.id}/regenerate`)
    if (status !== 200) return
    want(scene.prompt)
    const { revision, to_approve: more } = edited
    // What is left of the approved sum may be enough: it goes on by itself then.
    if (more === 0) return
    const approved = await ask('POST', `/jobs/${id}/approve`, { revision })
    if (approved.status !== 200)
      broken.push(
        `approving job ${id} again was answered ${approved.status}: ${JSON.stringify(approved.body)}`,
      )
  }

  const killAgainAndAgain = async (): Promise<void> => {
    const times = whole(3, 7)
    for (let time = 0; time < times; time++) {
      await sleep(300 + random() * 4000, undefined, { signal: isOver.signal }).catch(() => undefined)
      if (isOver.signal.aborted) return
      await kill()
      if (random() < 0.3) await sleep(random() * 3000)
      if (isOver.signal.aborted) return
      await start()
    }
  }

  let killing = Promise.resolve()
  try {
    await start()
    killing = killAgainAndAgain().catch((error: unknown) => void broken.push(String(error)))
    const ids = await Promise.all(Array.from({ length: whole(1, 3) }, (_, n) => live(n)))
    const jobs = await Promise.all(ids.map(end))
    const done = jobs.find(({ status }) => status === 'completed')
    if (done !== undefined && random() < 0.6) {
      await regenerate(done.job_id)
      await end(done.job_id)
    }
    await killing
    provider.calm()
    let ledger: any
    for (;;) {
      ;({ body: ledger } = await ask('GET', '/ledger?limit=500'))
      if (ledger.totals.reserved === 0) break
      if (performance.now() > overAt)
        throw new Error(
          `money stays reserved: ${JSON.stringify(ledger.entries.filter(({ reserved }: any) => reserved > 0))}`,
        )
      await sleep(300)
    }
    for (const id of ids) {
      const { body: job } = await ask('GET', `/jobs/${id}`)
      if (job.status !== 'completed') continue
      const film = await fetch(`${base}/videos/${id}/combined`)
      if (film.status !== 200 || (await film.arrayBuffer()).byteLength !== job.film.size)
        broken.push(`the film of job ${id} is not there`)
    }

    const made = provider.made()
    const billed = made.filter(({ billedMicros }) => billedMicros > 0)
    const booked = Math.round(ledger.totals.spent * 1e6)
    const bill = billed.reduce((sum, { billedMicros }) => sum + billedMicros, 0)
    if (booked !== bill) broken.push(`billed ${bill}, booked ${booked}`)
    if (ledger.unaccounted.length > 0) broken.push(`unaccounted: ${JSON.stringify(ledger.unaccounted)}`)
    for (const { status, failure } of ledger.entries)
      if (status === 'held' || status === 'unknown')
        broken.push(`an attempt is ${status}: ${JSON.stringify(failure)}`)
    const clips = Map.groupBy(billed, ({ prompt }) => prompt)
    for (const [prompt, all] of clips) {
      const most = cancelled.has(prompt) ? 1 : (wanted.get(prompt) ?? 0)
      if (all.length > most) broken.push(`"${prompt}" was made ${all.length} times, wanted ${most}`)
    }
    for (const [prompt, times] of wanted)
      if ((clips.get(prompt)?.length ?? 0) < times)
        broken.push(`"${prompt}" was wanted ${times} times, made ${clips.get(prompt)?.length ?? 0}`)
    const most = busiest(made)
    if (most > atOnce) broken.push(`${most} renders at once`)
    return { seed, kills, faults: provider.faults(), made: made.length, billed: billed.length, broken }
  } catch (error) {
    broken.push(error instanceof Error ? error.message : String(error))
    return { seed, kills, faults: provider.faults(), made: provider.made().length, billed: 0, broken }
  } finally {
    isOver.abort()
    await killing
    await server?.kill('SIGKILL')
    await provider.close()
    await rm(directory, { recursive: true, force: true })
  }
}

/** The most that were in flight together. */
function busiest(made: ReturnType<Awaited<ReturnType<typeof openProvider>>['made']>): number {
  const at = (ms: number): number =>
    made.filter(
      ({ createdAt, completedAt }) => createdAt <= ms && (completedAt ?? Number.POSITIVE_INFINITY) > ms,
    ).length
  return Math.max(0, ...made.map(({ createdAt }) => at(createdAt)))
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(address === null || typeof address === 'string' ? 0 : address.port))
    })
  })
}
