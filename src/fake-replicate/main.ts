/**
 * The fake as a separate process, so that its bill outlives the product under test. PORT (0: a free one), FAKE_OPTIONS
 * (JSON), FAKE_LEDGER (a file of JSON lines, each synced before the response), FAKE_CLIPS=bytes (a few bytes replace each
 * clip, for tests with thousands). Ends on SIGTERM, or with the parent that started it.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { systemHost } from '../host.ts'
import { createMedia } from '../media/pool.ts'
import { ownerFile } from '../owner-only.ts'
import { createClips } from './clip.ts'
import type { Entry } from './ledger.ts'
import { type FakeOptions, type FakeProvider, createFakeProvider } from './provider.ts'
import { type FakeRequest, type Reply, answerJson, answerProblem } from './reply.ts'
import { serveFake } from './serve.ts'
import type { Deliver } from './webhook.ts'

const deliverMs = 10_000

const deliver: Deliver = async ({ url, headers, body }) => {
  const signal = AbortSignal.timeout(deliverMs)
  const response = await fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal })
  await response.body?.cancel()
  return response.status
}

function openLedger(path: string | undefined) {
  const entries: Entry[] = path !== undefined && existsSync(path) ? readLines(path) : []
  let file = path === undefined ? null : openSync(path, 'a', ownerFile)
  return {
    entries,
    record: (entry: Entry): void => {
      entries.push(entry)
      if (file === null) return
      writeSync(file, `${JSON.stringify(entry)}\n`)
      fsyncSync(file)
    },
    /** Closed first: renders that end with this process are not entries of Replicate's. */
    close: (): void => {
      if (file !== null) closeSync(file)
      file = null
    },
  }
}

function readLines(path: string): Entry[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own lines
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Entry)
}

/** Requests of tests to the fake itself; all others follow Replicate's API. */
function control({ method, url, body }: FakeRequest, provider: FakeProvider, entries: Entry[]): Reply | null {
  const way = `${method} ${new URL(url).pathname}`
  if (way === 'GET /_fake/ledger') return answerJson(200, entries)
  if (way !== 'PUT /_fake/options') return null
  try {
    provider.set(readOptions(Buffer.from(body).toString()))
    return answerJson(200, {})
  } catch (error) {
    return answerProblem(400, 'Bad options', String(error))
  }
}

function readOptions(text: string): FakeOptions {
  const options: unknown = JSON.parse(text)
  if (typeof options !== 'object' || options === null) throw new TypeError('The options must be an object')
  return options
}

async function main({ PORT, FAKE_CLIPS, FAKE_LEDGER, FAKE_OPTIONS }: NodeJS.ProcessEnv): Promise<void> {
  const stop = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
    if (process.connected) process.once('disconnect', () => resolve())
  })
  const { entries, record, close } = openLedger(FAKE_LEDGER)
  const media = createMedia({ host: systemHost })
  const clips = await createClips({ media, fileBytes: (url) => provider.fileBytes(url) })
  const provider = createFakeProvider({
    host: systemHost,
    options: readOptions(FAKE_OPTIONS ?? '{}'),
    record,
    clip: FAKE_CLIPS === 'bytes' ? () => Promise.resolve(Buffer.from('a clip')) : clips.make,
    deliver,
  })
  const { url, close: closeServer } = await serveFake(
    async (request) => control(request, provider, entries) ?? provider.handle(request),
    Number(PORT ?? 0),
  )
  console.log(url)
  process.send?.({ url })
  await stop
  await closeServer()
  close()
  await media.close()
  await clips.close()
  // Running predictions have timers that would keep the process alive.
  process.exit(0)
}

if (import.meta.main) await main(process.env)
