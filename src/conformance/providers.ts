/** The suite for providers (`provider.ts`): the behaviour that can be tested without breaking connections. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import sharp from 'sharp'
import { systemHost } from '../host.ts'
import type { RenderSettings } from '../job/scene.ts'
import type {
  PreparedOrder,
  Provider,
  ProviderOrder,
  ProviderRender,
  Recognise,
} from '../renderer/provider.ts'
import type { Case } from './case.ts'

export interface ProviderBench {
  readonly provider: Provider
  /** A model of the provider, with supported settings. */
  readonly model: string
  readonly settings: RenderSettings
  close?(): Promise<void>
}

const hour = 3_600_000
const maxClipBytes = 2 ** 30
const pollMs = 50
/** Each case orders one or two renders: use a sandbox or a fake whose renders take seconds. */
const endsWithinMs = 120_000

/** Calls `open` once in a case. */
export function providerCases(open: () => ProviderBench | Promise<ProviderBench>): readonly Case[] {
  const onBench = (name: string, run: (bench: Bench) => Promise<void>): Case => ({
    name,
    run: async () => {
      const directory = await mkdtemp(join(tmpdir(), 'provider-case-'))
      const opened = await open()
      try {
        await run(await openBench(directory, opened))
      } finally {
        await opened.close?.()
        await rm(directory, { recursive: true, force: true })
      }
    },
  })

  return [
    onBench('states its name, its models and its limits', async ({ provider, model }) => {
      assert.match(provider.name, /^[a-z][a-z\d-]{0,39}$/)
      assert.ok(provider.models.includes(model))
      assert.ok(Number.isSafeInteger(provider.maxConcurrency) && provider.maxConcurrency >= 1)
      assert.ok(provider.startDelayMs >= 0)
      assert.ok(provider.cancelAfterMs > 0, 'an abandoned render ends by itself')
    }),

    onBench('prepares an order as plain JSON that contains its marks', async ({ provider, order }) => {
      const [one, again] = [await provider.prepare(order, never), await provider.prepare(order, never)]
      assert.ok('input' in one, 'reason' in one ? one.reason : '')
      assert.ok('input' in again)
      assert.deepEqual(JSON.parse(JSON.stringify(one)), one)
      assert.equal(one.attemptId, order.attemptId)
      assert.ok(one.marks.length > 0)
      const told = JSON.stringify(one.input)
      assert.ok(
        one.marks.some((mark) => told.includes(mark)),
        'the input contains the mark',
      )
    }),

    onBench('accepts an order, and reports it until its end', async (bench) => {
      const render = await bench.ended(await bench.accepted())
      assert.equal(render.state, 'succeeded', render.trouble?.reason)
      assert.notEqual(render.outputUrl, null)
      assert.ok(Math.abs(render.createdAt - systemHost.now()) < hour)
    }),

    onBench('fetches the complete clip, and resumes an interrupted download', async (bench) => {
      const { provider, directory } = bench
      const { outputUrl } = await bench.ended(await bench.accepted())
      const path = join(directory, 'clip')
      const request = { url: outputUrl!, others: [], path, maxBytes: maxClipBytes }
      const whole = await provider.fetchClip(request, never)
      assert.ok(whole.kind === 'fetched', 'reason' in whole ? whole.reason : '')
      const bytes = await readFile(path)
      assert.equal(whole.size, bytes.length)
      await writeFile(path, bytes.subarray(0, Math.floor(bytes.length / 2)))
      const again = await provider.fetchClip(request, never)
      assert.equal(again.kind, 'fetched')
      assert.ok(bytes.equals(await readFile(path)))
    }),

    onBench('refuses a response that is not a clip', async (bench) => {
      const { provider, directory } = bench
      const { outputUrl } = await bench.ended(await bench.accepted())
      const url = new URL(outputUrl!)
      url.pathname += '-which-there-is-not'
      const path = join(directory, 'none')
      const outcome = await provider.fetchClip({ url: url.href, path, maxBytes: maxClipBytes }, never)
      assert.notEqual(outcome.kind, 'fetched')
      const cut = await provider.fetchClip({ url: outputUrl!, path, maxBytes: maxClipBytes }, aborted())
      assert.equal(cut.kind, 'failed')
      assert.equal(
        await stat(path).then(
          ({ size }) => size,
          () => 0,
        ),
        0,
      )
    }),

    onBench('lists every render of a period, with its mark', async (bench) => {
      const { provider, order } = bench
      const began = systemHost.now()
      const renderId = await bench.accepted()
      const find: Recognise = { markIn: (text) => (text.includes(order.mark) ? order.mark : undefined) }
      const found = await bench.until(async () => {
        const listed = await provider.list({ after: began - hour }, find, never)
        return listed.kind === 'listed' ? listed.renders.find(({ id }) => id === renderId) : undefined
      })
      assert.equal(found.mark, order.mark)
      assert.equal(found.hasInput, true)
      const later = await provider.list({ after: systemHost.now() + hour }, find, never)
      assert.ok(later.kind === 'listed' && !later.renders.some(({ id }) => id === renderId))
      await bench.ended(renderId)
    }),

    onBench('reports an unknown render as absent', async ({ provider, unknownId }) => {
      assert.equal((await provider.read(await unknownId(), never)).kind, 'absent')
    }),

    onBench('cancels a render', async (bench) => {
      const renderId = await bench.accepted()
      const outcome = await bench.provider.cancel(renderId, never)
      assert.notEqual(outcome.kind, 'absent')
      const { state } = await bench.ended(renderId)
      assert.ok(['cancelled', 'aborted', 'succeeded'].includes(state), state)
    }),

    onBench('never rejects, and reports uncertain outcomes as unknown', async (bench) => {
      const { provider, order } = bench
      const prepared = await bench.prepared()
      const submitted = await provider.submit(prepared, aborted(), () => true)
      assert.ok(submitted.kind === 'refused' || submitted.kind === 'unknown')
      assert.equal((await provider.read('any', aborted())).kind === 'found', false)
      assert.equal((await provider.cancel('any', aborted())).kind === 'found', false)
      const listed = await provider.list({ after: systemHost.now() }, { markIn: () => order.mark }, aborted())
      assert.equal(listed.kind, 'failed')
    }),
  ]
}

const never = new AbortController().signal
const aborted = (): AbortSignal => AbortSignal.abort(new Error('stopped'))

interface Bench extends ProviderBench {
  readonly directory: string
  readonly order: ProviderOrder
  prepared(): Promise<PreparedOrder>
  /** Orders a render; resolves to its id. */
  accepted(): Promise<string>
  ended(renderId: string): Promise<ProviderRender>
  /** A well-formed id of no render. */
  unknownId(): Promise<string>
  until<T>(look: () => Promise<T | undefined>): Promise<T>
}

async function openBench(directory: string, opened: ProviderBench): Promise<Bench> {
  const { provider, model, settings } = opened
  const image = join(directory, 'picture.jpg')
  const background = { r: 200, g: 40, b: 40 }
  await sharp({ create: { width: 640, height: 360, channels: 3, background } })
    .jpeg()
    .toFile(image)
  const attemptId = systemHost.id()
  const order: ProviderOrder = {
    attemptId,
    mark: `wc-0123456789ab-${attemptId}`,
    model,
    prompt: 'A slow walk through the garden',
    settings,
    format: { width: 640, height: 360, fps: 24 },
    images: [image],
  }
  const late = AbortSignal.timeout(endsWithinMs)

  const until: Bench['until'] = async (look) => {
    for (;;) {
      const found = await look()
      if (found !== undefined) return found
      await setTimeout(pollMs, undefined, { signal: late })
    }
  }
  const prepared = async (): Promise<PreparedOrder> => {
    const outcome = await provider.prepare(order, never)
    assert.ok('input' in outcome, 'reason' in outcome ? outcome.reason : '')
    return outcome
  }
  const accepted = async (): Promise<string> => {
    const outcome = await provider.submit(await prepared(), never, () => true)
    assert.ok(outcome.kind === 'accepted', JSON.stringify(outcome))
    return outcome.renderId
  }
  return {
    ...opened,
    directory,
    order,
    until,
    prepared,
    accepted,
    ended: (renderId) =>
      until(async () => {
        const outcome = await provider.read(renderId, never)
        assert.notEqual(outcome.kind, 'absent')
        return outcome.kind === 'found' && outcome.render.state !== 'running' ? outcome.render : undefined
      }),
    unknownId: async () => {
      const id = await accepted()
      await provider.cancel(id, never)
      const last = id.at(-1) === 'a' ? 'b' : 'a'
      return `${id.slice(0, -1)}${last}`
    },
  }
}
