import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type NewTiming, listTimings, recordTiming } from '../../src/store/timings.ts'
import { type Place, newMigratedPlace } from '../store/open-database.ts'
import { type HeldHarness, clip, openHeldHarness } from '../harness/held-tasks.ts'

const second = 1000
const frames = 5 * 24
/** In thousands of pixels: 5 s of 720p. */
const units = Math.round((frames * 1280 * 720) / 1000)

describe('when a job will be there', () => {
  let place: Place
  let harness: HeldHarness

  beforeEach(async () => {
    place = await newMigratedPlace()
    harness = await openHeldHarness({ open: () => place.open(), slots: 2 })
  })
  afterEach(async () => {
    await harness.close()
    await place.remove()
  })

  const took = (timing: NewTiming): Promise<void> =>
    harness.database.transaction((tx) => recordTiming(tx, timing, harness.clock.now()))
  const haveHistory = async (): Promise<void> => {
    await took({ model: 'local', stage: 'render', ms: 10 * second, units })
    await took({ model: '', stage: 'stitch', ms: 2 * second, units })
  }
  const approved = async (scenes: number): Promise<number> => {
    const { id } = await harness.job(scenes)
    await harness.coordinator.approveJob(id)
    return id
  }
  /** Approved, and its first scenes begun. */
  const begun = async (scenes: number) => {
    const id = await approved(scenes)
    const tasks = []
    for (let index = 0; index < Math.min(scenes, 2); index++) {
      const task = await harness.next('render-scene')
      await harness.coordinator.beginAttempt(task.subject)
      tasks.push(task)
    }
    return { id, tasks }
  }

  it('nobody knows before anything like it was measured', async () => {
    const { id } = await harness.job(2)
    expect(await harness.coordinator.eta(id)).toEqual({
      waiting: null,
      running: null,
      finishedAt: null,
      samples: 0,
    })
  })

  it('is how long it runs while it waits for a person', async () => {
    await haveHistory()
    const { id } = await harness.job(2)
    const eta = await harness.coordinator.eta(id)
    expect(eta).toMatchObject({ waiting: null, finishedAt: null, samples: 1 })
    // Both scenes at once, and a film twice as long as the one measured.
    expect(eta!.running).toEqual({ p50: 14 * second, p90: 14 * second })
  })

  it('is the rest of what runs, once it runs', async () => {
    await haveHistory()
    await harness.coordinator.start()
    const { id } = await begun(1)
    harness.clock.advance(4 * second)
    const eta = await harness.coordinator.eta(id)
    expect(eta!.waiting).toEqual({ p50: 0, p90: 0 })
    expect(eta!.running!.p50).toBe(8 * second)
    expect(eta!.finishedAt!.p50).toBe(harness.clock.now() + 8 * second)
  })

  it('is never in the past, however long a render takes', async () => {
    await haveHistory()
    await harness.coordinator.start()
    const { id } = await begun(1)
    harness.clock.advance(1000 * second)
    expect((await harness.coordinator.eta(id))!.finishedAt!.p50).toBeGreaterThan(harness.clock.now())
  })

  it('waits for the places of those before it, and tells that apart', async () => {
    await haveHistory()
    await harness.coordinator.start()
    await begun(4)
    const id = await approved(1)
    const eta = await harness.coordinator.eta(id)
    expect(eta!.waiting).toEqual({ p50: 20 * second, p90: 20 * second })
    expect(eta!.running!.p50).toBe(12 * second)
  })

  it("takes the clients' turns into account, as those that start scenes do", async () => {
    await haveHistory()
    await harness.coordinator.start()
    const of = async (client_id: string, scenes: number): Promise<number> => {
      const photos = Array.from({ length: scenes }, () => ({ asset_id: '0'.repeat(64) }))
      const parameters = { photos, transition: 'cut', client_id }
      const { id } = await harness.coordinator.createJob({ type: 'property_photos', parameters, force: true })
      await harness.coordinator.approveJob(id)
      return id
    }
    for (let jobs = 0; jobs < 5; jobs++) await of('large', 4)
    for (const task of [await harness.next('render-scene'), await harness.next('render-scene')])
      await harness.coordinator.beginAttempt(task.subject)
    const eta = await harness.coordinator.eta(await of('small', 2))
    // Its scenes start in the next round and the one after, though 18 of the other client came before them.
    expect(eta!.waiting).toEqual({ p50: 20 * second, p90: 20 * second })
    const storyboard = (await harness.coordinator.job(await of('large', 1))).storyboard
    const planned = await harness.coordinator.estimateEta(storyboard, { clientId: 'new' })
    expect(planned.waiting!.p50).toBe(10 * second)
  })

  it('has no end that is known while it is paused, or waits for another job', async () => {
    await haveHistory()
    await harness.coordinator.start()
    await begun(2)
    const paused = await approved(1)
    await harness.coordinator.pauseJob(paused)
    expect(await harness.coordinator.eta(paused)).toMatchObject({
      waiting: null,
      finishedAt: null,
      running: { p50: 12 * second },
    })
    const dependent = await harness.job(1, { depends_on: [paused] })
    await harness.coordinator.approveJob(dependent.id)
    expect((await harness.coordinator.eta(dependent.id))!.finishedAt).toBeNull()
  })

  it('is not told of a job that has ended', async () => {
    await haveHistory()
    const { id } = await harness.job(1)
    await harness.coordinator.cancelJob(id)
    expect(await harness.coordinator.eta(id)).toBeUndefined()
    await expect(harness.coordinator.eta(99_999)).rejects.toThrow('Job not found')
  })

  it('can be told of a film that is only planned', async () => {
    await haveHistory()
    await harness.coordinator.start()
    const { id } = await begun(3)
    const { storyboard } = await harness.coordinator.job(id)
    const eta = await harness.coordinator.estimateEta({
      ...storyboard,
      scenes: storyboard.scenes.slice(0, 1),
    })
    expect(eta.waiting!.p50).toBe(10 * second)
    expect(eta.finishedAt!.p50).toBeGreaterThan(harness.clock.now() + 20 * second)
  })

  it('learns from each render and each film', async () => {
    await harness.coordinator.start()
    const { id, tasks } = await begun(2)
    for (const task of tasks) {
      harness.clock.advance(3 * second)
      await harness.coordinator.sceneRendered(task.subject, { clip, source: clip, place: '' })
      task.done()
    }
    const stitching = await harness.next('stitch-film')
    harness.clock.advance(5 * second)
    const artifact = { id: clip, size: 1, contentType: 'video/mp4' }
    const format = { width: 1280, height: 720, fps: 24 }
    const film = { film: artifact, thumbnail: artifact, durationMs: 10_000, frames: 2 * frames, format }
    await harness.coordinator.completeJob(id, film)
    stitching.done()
    const renders = await listTimings(harness.database, 'local', 'render')
    expect(renders.toSorted((one, other) => one.ms - other.ms)).toEqual([
      { ms: 3 * second, units },
      { ms: 6 * second, units },
    ])
    expect(await listTimings(harness.database, '', 'stitch')).toEqual([{ ms: 5 * second, units: 2 * units }])
  })

  it('keeps the newest of each kind, however many there were', async () => {
    for (let ms = 1; ms <= 300; ms++) {
      await took({ model: 'local', stage: 'render', ms, units: 1 })
      await took({ model: '', stage: 'stitch', ms, units: 1 })
    }
    const kept = await harness.database.get('select count(*) as kept from timings')
    expect(kept!.kept).toBeLessThanOrEqual(450)
    expect((await listTimings(harness.database, 'local', 'render')).map(({ ms }) => ms)).toEqual(
      Array.from({ length: 200 }, (_, index) => 300 - index),
    )
  })
})
