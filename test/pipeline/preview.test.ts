/** What previews may cost: with a renderer that the test holds back. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { listen } from '../../src/http/edge/server.ts'
import { type Previews, createPreviews } from '../../src/pipeline/preview.ts'
import type { Studio } from '../../src/pipeline/studio.ts'
import type { RenderContext, RenderOutcome } from '../../src/renderer/renderer.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'

interface Rendering {
  readonly sceneId: string
  readonly signal: AbortSignal
  /** Lets it end. */
  readonly end: () => void
}

let harness: AppHarness
let previews: Previews
let renderings: Rendering[]
afterEach(async () => {
  const stopped = previews.stop()
  for (const { end } of renderings) end()
  await stopped
  await harness.close()
})

async function open(): Promise<void> {
  harness = await openAppHarness()
  renderings = []
  const { artifacts, coordinator } = harness
  const render = async (
    { sceneId }: { readonly sceneId: string },
    { directory, signal }: RenderContext,
  ): Promise<RenderOutcome> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => reject(signal.reason))
    renderings.push({ sceneId, signal, end: resolve })
    await promise
    const clipPath = join(directory, 'clip.mp4')
    await writeFile(clipPath, `clip ${sceneId}`)
    return { kind: 'rendered', clipPath }
  }
  const inWorkspace: Studio['inWorkspace'] = async (use) => {
    const workspace = await artifacts.workspace()
    return use(workspace).finally(() => workspace.remove())
  }
  const makeThumbnail = ({ outPath }: { readonly outPath: string }) => writeFile(outPath, 'frame')
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- no other part is used
  const studio = { media: { makeThumbnail }, inWorkspace } as unknown as Studio
  const renderer = { name: 'local', models: ['local'], maxConcurrency: 1, render }
  previews = createPreviews({ coordinator, artifacts, studio, renderer })
}

/** Jobs of one scene each, of other seconds, so that no two look the same. */
async function scenes(count: number): Promise<readonly (readonly [jobId: number, sceneId: string])[]> {
  const made: [number, string][] = []
  for (let index = 0; index < count; index++) {
    const { job_id } = await harness.job(1)
    const [scene] = await harness.coordinator.scenes(job_id)
    await harness.coordinator.updateScene(job_id, scene!.id, { title: `scene ${index}` })
    made.push([job_id, scene!.id])
  }
  return made
}

const begun = (count: number) => vi.waitFor(() => expect(renderings).toHaveLength(count))

test('one is rendered at a time, once for all who wait for it', async () => {
  await open()
  const [first, second] = await scenes(2)
  const waiting = [previews.scene(...first!), previews.scene(...second!), previews.scene(...first!)]
  await begun(1)
  renderings[0]!.end()
  await begun(2)
  renderings[1]!.end()
  const [one, other, again] = await Promise.all(waiting)
  expect(again).toEqual(one)
  expect(other!.clip).not.toBe(one!.clip)
  expect(await previews.scene(...first!)).toEqual(one)
  expect(renderings).toHaveLength(2)
})

test('what nobody waits for any more is not rendered, and stops where it is', async () => {
  await open()
  const [shown, behind, last] = await scenes(3)
  const [one, other, third] = [new AbortController(), new AbortController(), new AbortController()]
  const left = { code: 'closed' }
  const first = expect(previews.scene(...shown!, one.signal)).rejects.toMatchObject(left)
  const second = expect(previews.scene(...shown!, other.signal)).rejects.toMatchObject(left)
  await begun(1)
  const waits = expect(previews.scene(...behind!, third.signal)).rejects.toMatchObject(left)
  const stays = previews.scene(...last!)
  one.abort()
  await first
  expect(renderings[0]!.signal.aborted).toBe(false)
  third.abort()
  await waits
  other.abort()
  await second
  expect(renderings[0]!.signal.aborted).toBe(true)
  await begun(2)
  renderings[1]!.end()
  await stays
  expect(renderings.map(({ sceneId }) => sceneId)).toEqual([shown![1], last![1]])
  // Whoever comes back has it rendered.
  const again = previews.scene(...behind!)
  await begun(3)
  renderings[2]!.end()
  await again
})

test('a few hundred may wait; whoever comes then is told to come back', async () => {
  await open()
  const { job_id } = await harness.job(1)
  const [scene] = await harness.coordinator.scenes(job_id)
  const { coordinator } = harness
  const found = await coordinator.scene(job_id, scene!.id)
  const titled = vi.spyOn(coordinator, 'scene')
  let asked = 0
  titled.mockImplementation(() => Promise.resolve({ ...found, title: `look ${++asked}` }))
  const waiting: Promise<unknown>[] = []
  for (let index = 0; index < 201; index++) {
    const shown = previews.scene(job_id, scene!.id)
    waiting.push(shown)
    if (index === 0) await begun(1)
  }
  const settled = Promise.allSettled(waiting)
  await expect(previews.scene(job_id, scene!.id)).rejects.toMatchObject({ code: 'busy' })
  const app = harness.appWith({ previews })
  const refused = await app.request(`/api/v3/jobs/${job_id}/scenes/${scene!.id}/preview`)
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
  await previews.stop()
  expect(new Set((await settled).map(({ status }) => status))).toEqual(new Set(['rejected']))
  expect(renderings).toHaveLength(1)
})

test('a browser that leaves ends the render that it waited for', async () => {
  await open()
  const server = await listen(harness.appWith({ previews }), { host: '127.0.0.1', port: 0 })
  try {
    const [[jobId, sceneId]] = (await scenes(1)) as [[number, string]]
    const leaving = new AbortController()
    const url = `${server.url}/api/v3/jobs/${jobId}/scenes/${sceneId}/preview`
    const asked = expect(fetch(url, { signal: leaving.signal })).rejects.toThrow(/abort/)
    await begun(1)
    leaving.abort()
    await asked
    await vi.waitFor(() => expect(renderings[0]!.signal.aborted).toBe(true))
    expect(harness.logged.filter(({ level }) => level === 'error')).toEqual([])
  } finally {
    await server.close({ graceMs: 0 })
  }
})
