/**
 * The fake Replicate as a process of its own, that every node reaches through a door of its own: addresses in requests and answers
 * are turned into those of the door they came by. Its clips are one clip, told apart by a box that players skip.
 * PORT, FAKE_OPTIONS (JSON), FAKE_LEDGER (a file of JSON lines), FAKE_CLIP (a file).
 */
import { openSync, readFileSync, writeSync } from 'node:fs'
import { createFakeProvider, type FakeOptions } from '../../src/fake-replicate/provider.ts'
import type { FakeRequest, Reply } from '../../src/fake-replicate/reply.ts'
import { serveFake } from '../../src/fake-replicate/serve.ts'
import { systemHost } from '../../src/host.ts'
import { clipOf } from '../rounds/clip.ts'

const inside = 'http://provider.invalid'

const replaced = (bytes: Uint8Array, from: string, to: string): Buffer =>
  Buffer.from(Buffer.from(bytes).toString('latin1').replaceAll(from, to), 'latin1')

const { PORT, FAKE_OPTIONS, FAKE_LEDGER, FAKE_CLIP } = process.env
process.once('disconnect', () => process.exit(0))
const clip = readFileSync(FAKE_CLIP ?? '')
const ledger = openSync(FAKE_LEDGER ?? '', 'a')
const record = (entry: object): void => void writeSync(ledger, `${JSON.stringify(entry)}\n`)
const provider = createFakeProvider({
  host: systemHost,
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the runner's own
  options: JSON.parse(FAKE_OPTIONS ?? '{}') as FakeOptions,
  record,
  clip: ({ id }) => Promise.resolve(clipOf(id, clip)),
  deliver: async ({ url, headers, body }) => {
    const signal = AbortSignal.timeout(10_000)
    const response = await fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal })
    await response.body?.cancel()
    return response.status
  },
})

async function handle(request: FakeRequest): Promise<Reply> {
  const { origin, pathname, search } = new URL(request.url)
  const reply = await provider.handle({
    ...request,
    url: `${inside}${pathname}${search}`,
    body: replaced(request.body, origin, inside),
  })
  if (reply.kind !== 'answer' || reply.headers.get('content-type') !== 'application/json') return reply
  if (!(reply.body instanceof Uint8Array)) return reply
  if (request.method === 'POST' && pathname.endsWith('/predictions') && reply.status === 201) {
    const { input } = JSON.parse(Buffer.from(request.body).toString())
    const { id } = JSON.parse(Buffer.from(reply.body).toString())
    record({ at: systemHost.now(), what: 'prompt', prediction: id, prompt: input.prompt })
  }
  const body = replaced(reply.body, inside, origin)
  if (reply.headers.has('content-length') && body.length !== reply.body.length)
    reply.headers.set('content-length', String(body.length))
  return { ...reply, body }
}

const { url } = await serveFake(handle, Number(PORT ?? 0))
process.send?.({ url })
