/** The suite for renderers on this machine (`renderer.ts`). */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { ALL_FORMATS, EncodedPacketSink, FilePathSource, Input } from 'mediabunny'
import sharp from 'sharp'
import type { RenderContext, RenderOutcome, RenderRequest, Renderer } from '../renderer/renderer.ts'
import type { Case } from './case.ts'

const format = { width: 320, height: 180, fps: 24 } as const
const frames = 24
/** An aborted render has to end within this time. */
const endsWithinMs = 10_000

/** Each case renders a second of 320 by 180 or less. Calls `open` once in a case. */
export function rendererCases(open: () => Renderer | Promise<Renderer>): readonly Case[] {
  const onBench = (name: string, run: (bench: Bench) => Promise<void>): Case => ({
    name,
    run: async () => {
      const root = await mkdtemp(join(tmpdir(), 'renderer-case-'))
      try {
        await run(await openBench(root, await open()))
      } finally {
        await rm(root, { recursive: true, force: true })
      }
    },
  })

  return [
    onBench('states its name, its models and its concurrency', async ({ renderer }) => {
      assert.match(renderer.name, /^[a-z][a-z\d-]{0,39}$/)
      assert.ok(renderer.models.length > 0)
      assert.ok(renderer.models.every((model) => model.trim() === model && model !== ''))
      assert.ok(Number.isSafeInteger(renderer.maxConcurrency) && renderer.maxConcurrency >= 1)
    }),

    onBench('makes an MP4 of exactly the frames requested', async ({ render, picture }) => {
      for (const wanted of [1, frames]) {
        const outcome = await render({ images: [await picture('one')], frames: wanted })
        assert.ok(outcome.kind === 'rendered', 'reason' in outcome ? outcome.reason : '')
        assert.ok(isAbsolute(outcome.clipPath))
        assert.equal(await framesIn(outcome.clipPath), wanted)
      }
    }),

    onBench('renders every model and other shapes', async ({ renderer, render, picture }) => {
      const images = [await picture('one')]
      for (const model of renderer.models) {
        const outcome = await render({ images, model, format: { width: 180, height: 320, fps: 30 } })
        assert.equal(outcome.kind, 'rendered', 'reason' in outcome ? outcome.reason : '')
      }
    }),

    onBench('moves from a first picture to a last one', async ({ render, picture }) => {
      const outcome = await render({ images: [await picture('one'), await picture('other')] })
      assert.equal(outcome.kind, 'rendered', 'reason' in outcome ? outcome.reason : '')
    }),

    onBench('does not change its pictures', async ({ render, picture }) => {
      const path = await picture('one')
      const before = await readFile(path)
      await render({ images: [path] })
      assert.ok(before.equals(await readFile(path)))
    }),

    onBench('reports progress that only rises, from 0 to 1', async ({ render, picture }) => {
      const told: number[] = []
      await render({ images: [await picture('one')] }, { onProgress: (fraction) => told.push(fraction) })
      assert.ok(told.every((fraction) => fraction >= 0 && fraction <= 1))
      assert.deepEqual(
        told,
        told.toSorted((one, other) => one - other),
      )
    }),

    onBench('renders two clips at once, independently', async ({ render, picture }) => {
      const images = [await picture('one')]
      const outcomes = await Promise.all([render({ images }), render({ images })])
      const paths = outcomes.map((outcome) =>
        outcome.kind === 'rendered' ? outcome.clipPath : outcome.reason,
      )
      assert.notEqual(paths[0], paths[1])
      for (const path of paths) assert.equal(await framesIn(path), frames)
    }),

    onBench(
      'rejects with the reason of its signal, before and during a render',
      async ({ render, picture }) => {
        const images = [await picture('one')]
        const reason = new Error('the job was cancelled')
        await assert.rejects(render({ images }, { signal: AbortSignal.abort(reason) }), reason)
        const cancelled = new AbortController()
        const rendering = render({ images, frames: 240 }, { signal: cancelled.signal })
        const ended = rendering.then(
          () => 'rendered',
          (error: unknown) => error,
        )
        setImmediate(() => cancelled.abort(reason))
        const late = AbortSignal.timeout(endsWithinMs)
        const outcome = await Promise.race([
          ended,
          new Promise((resolve) => late.addEventListener('abort', () => resolve('late'))),
        ])
        // A render may have ended before the signal reached it.
        assert.ok(outcome === reason || outcome === 'rendered', String(outcome))
      },
    ),

    onBench('returns a failure with a reason if a picture cannot be read', async ({ directory, render }) => {
      const path = join(directory, 'broken.jpg')
      await writeFile(path, 'no picture')
      const outcome = await render({ images: [path] })
      assert.ok(outcome.kind === 'failed')
      assert.notEqual(outcome.code, '')
      assert.notEqual(outcome.reason.trim(), '')
    }),
  ]
}

interface Bench {
  readonly renderer: Renderer
  readonly directory: string
  /** A JPEG; the two have different colours. */
  picture(name: 'one' | 'other'): Promise<string>
  render(
    request: Partial<RenderRequest> & Pick<RenderRequest, 'images'>,
    context?: Partial<RenderContext>,
  ): Promise<RenderOutcome>
}

async function openBench(root: string, renderer: Renderer): Promise<Bench> {
  let renders = 0
  return {
    renderer,
    directory: root,
    async picture(name) {
      const path = join(root, `${name}.jpg`)
      const background = name === 'one' ? { r: 200, g: 40, b: 40 } : { r: 40, g: 60, b: 200 }
      await sharp({ create: { width: 640, height: 360, channels: 3, background } })
        .jpeg()
        .toFile(path)
      return path
    },
    async render(request, context) {
      const directory = join(root, `render-${renders++}`)
      await mkdir(directory)
      return renderer.render(
        {
          attemptId: `0199aaaa-0000-7000-8000-${String(renders).padStart(12, '0')}`,
          jobId: 1,
          sceneId: '0199aaaa-0000-7000-8000-000000000000',
          position: 0,
          model: renderer.models[0]!,
          prompt: 'A slow walk through the garden',
          title: null,
          format,
          frames,
          transition: 'fade',
          fit: 'crop',
          keyframes: [],
          ...request,
        },
        { directory, signal: new AbortController().signal, onProgress: () => {}, ...context },
      )
    },
  }
}

async function framesIn(path: string): Promise<number> {
  assert.ok((await stat(path)).size > 0)
  using input = new Input({ formats: ALL_FORMATS, source: new FilePathSource(path) })
  const track = await input.getPrimaryVideoTrack()
  assert.ok(track, 'the clip has a picture')
  return (await Array.fromAsync(new EncodedPacketSink(track).packets())).length
}
