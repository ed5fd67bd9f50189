import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RefusedError } from '../../src/job/errors.ts'
import { type Waiter, byTurn, pointMs } from '../../src/job/queue.ts'
import { createClock } from '../clock.ts'
import { newMigratedPlace, type Place } from '../store/open-database.ts'
import { type HeldTask, type HeldHarness, openHeldHarness } from '../harness/held-tasks.ts'

const refusalOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'not refused',
    (error: RefusedError) => error.refusal,
  )

const minute = 60_000

describe('the queue', () => {
  let place: Place
  let harness: HeldHarness
  const clock = createClock()
  const open = async (slots: number): Promise<void> => {
    harness = await openHeldHarness({ open: () => place.open(), slots, clock })
    await harness.coordinator.start()
  }
  beforeEach(async () => {
    place = await newMigratedPlace()
  })
  afterEach(async () => {
    await harness.close()
    await place.remove()
  })

  const approved = async (scenes: number, members: object = {}): Promise<number> => {
    const { id } = await harness.job(scenes, members)
    await harness.coordinator.approveJob(id)
    return id
  }
  const ofClient = (clientId: string, scenes: number, priority = 50) => ({
    storyboard: undefined,
    priority,
    parameters: {
      client_id: clientId,
      photos: Array.from({ length: scenes }, (_, index) => ({
        asset_id: index.toString(16).padStart(64, '0'),
      })),
      transition: 'cut',
    },
  })
  /** Renders one after the other; whose they were, by job. */
  const order = async (renders: number): Promise<number[]> => {
    const jobs: number[] = []
    for (let n = 0; n < renders; n++) {
      const task = await harness.next('render-scene')
      jobs.push(task.jobId)
      await harness.render(task)
    }
    return jobs
  }
  /** Jobs that wait behind one that renders; `let go` ends that. */
  const behind = async (): Promise<HeldTask> => {
    await approved(1)
    return harness.next('render-scene')
  }

  it('gives stored clips to a job that waited under a limit of jobs, once the limit is lifted', async () => {
    await open(2)
    const { coordinator } = harness
    const film = async (...pictures: readonly number[]): Promise<number> => {
      const photos = pictures.map((picture) => ({ asset_id: picture.toString(16).padStart(64, '0') }))
      const parameters = { photos, transition: 'cut' }
      const { id } = await coordinator.createJob({ type: 'property_photos', parameters })
      await coordinator.approveJob(id)
      return id
    }
    const first = await film(7, 1)
    for (let renders = 0; renders < 2; renders++) await harness.render(await harness.next('render-scene'))
    await coordinator.completeJob(first, new Uint8Array([1]))
    await film(3)
    await harness.next('render-scene')
    await coordinator.setLimits({ jobs: 1 })
    const waiting = await film(5, 1)
    await coordinator.setLimits({ jobs: null })
    await harness.next('render-scene')
    expect((await coordinator.scenes(waiting)).map(({ status }) => status)).toEqual([
      'processing',
      'processing',
    ])
  })

  it('gives the highest priority its turn first, and equals the order of their approval', async () => {
    await open(1)
    const first = await behind()
    const low = await approved(1, { priority: 10 })
    const high = await approved(1, { priority: 90 })
    const alsoHigh = await approved(1, { priority: 90 })
    await harness.render(first)
    expect(await order(3)).toEqual([high, alsoHigh, low])
  })

  it('lets a minute of waiting weigh as much as a point of priority, so that nothing starves', async () => {
    await open(1)
    const first = await behind()
    const old = await approved(1, { priority: 0 })
    clock.advance(101 * minute)
    const urgent = await approved(1, { priority: 100 })
    await harness.render(first)
    expect(await order(2)).toEqual([old, urgent])
  })

  it('takes another priority while a job waits, and refuses it once that has ended', async () => {
    await open(1)
    const first = await behind()
    const one = await approved(1)
    const two = await approved(1)
    expect(await harness.coordinator.updateJob(two, { priority: 80 }, { by: 'ops' })).toMatchObject({
      priority: 80,
    })
    await harness.render(first)
    expect(await order(2)).toEqual([two, one])
    await harness.coordinator.cancelJob(one).catch(() => harness.coordinator.failJob(one, 'over'))
    expect(await refusalOf(harness.coordinator.updateJob(one, { priority: 1 }))).toMatchObject({
      code: 'transition_refused',
      reason: 'Job must be in pending, approved or processing state to be changed',
    })
    expect((await harness.events(two)).find(({ type }) => type === 'job_updated')).toMatchObject({
      by: 'ops',
      data: { changed: { priority: 80 } },
    })
  })

  it('lets clients take turns: one with many scenes holds up no other', async () => {
    await open(2)
    const big = await approved(6, ofClient('big', 6))
    const tasks = [await harness.next('render-scene'), await harness.next('render-scene')]
    clock.advance(30 * minute)
    const small = await approved(2, ofClient('small', 2))
    expect(tasks.map(({ jobId }) => jobId)).toEqual([big, big])
    await harness.render(tasks[0]!)
    const third = await harness.next('render-scene')
    expect(third.jobId).toBe(small)
    await harness.render(third)
    const fourth = await harness.next('render-scene')
    expect(fourth.jobId).toBe(small)
    await harness.render(tasks[1]!)
    await harness.render(fourth)
    expect(await order(4)).toEqual([big, big, big, big])
  })

  it('lets clients take turns where there is one place alone, whatever was approved first and whatever the clock says', async () => {
    await open(1)
    const owners = new Map<number, string>()
    const ask = async (client: string, jobs: number): Promise<void> => {
      for (let n = 0; n < jobs; n++) owners.set(await approved(1, ofClient(client, 1)), client)
    }
    const first = await behind()
    await ask('a', 8)
    clock.advance(minute)
    await ask('b', 2)
    await harness.render(first)
    const started = async (renders: number): Promise<string> =>
      (await order(renders)).map((id) => owners.get(id)).join('')
    expect(await started(5)).toBe('ababa')
    const next = await harness.next('render-scene')
    expect(owners.get(next.jobId)).toBe('a')
    clock.advance(-60 * minute)
    await ask('b', 2)
    await ask('c', 2)
    await harness.render(next)
    // One that had no turn yet comes first, then the one whose turn is the longest ago.
    expect(await started(8)).toBe('cbacbaaa')
  })

  it('works on no more jobs at once than it may, and begins the next when one has ended', async () => {
    await open(4)
    await harness.coordinator.setLimits({ jobs: 1 })
    const one = await approved(1)
    const two = await approved(1)
    const task = await harness.next('render-scene')
    expect(task.jobId).toBe(one)
    expect((await harness.coordinator.waiting(two)).job).toMatchObject({
      code: 'jobs_limit',
      reason: '1 job is processing, which is the limit',
    })
    await harness.render(task)
    const stitch = await harness.next('stitch-film')
    await harness.coordinator.completeJob(one, new Uint8Array([1]))
    stitch.done()
    expect((await harness.next('render-scene')).jobId).toBe(two)
    expect((await harness.coordinator.limits()).jobs).toMatchObject({ limit: 1, processing: 1 })
  })

  it('takes other limits while it runs, and null for those that are configured', async () => {
    await open(1)
    await approved(3)
    const first = await harness.next('render-scene')
    await harness.coordinator.setLimits({ renderers: { local: { max_concurrency: 3 } } })
    const others = [await harness.next('render-scene'), await harness.next('render-scene')]
    await harness.coordinator.setLimits({ renderers: { local: { max_concurrency: null } } })
    const [local] = (await harness.coordinator.limits()).renderers
    expect(local).toMatchObject({ limit: { maxConcurrency: 1 }, inFlight: 3 })
    for (const task of [first, ...others]) await harness.render(task)
  })

  it('refuses limits of a renderer that is not there, and says which are', async () => {
    await open(1)
    expect(
      await refusalOf(harness.coordinator.setLimits({ renderers: { nowhere: { max_concurrency: 1 } } })),
    ).toEqual({
      code: 'invalid',
      problems: [{ field: 'renderers.nowhere', reason: 'Unknown renderer "nowhere"; available: local' }],
    })
    expect(
      await refusalOf(harness.coordinator.setLimits({ renderers: { local: { start_delay_ms: 5 } } })),
    ).toMatchObject({
      problems: [{ field: 'renderers.local.start_delay_ms' }],
    })
  })

  it.each([undefined, 'local'])(
    'starts nothing while paused (%s), and goes on when resumed',
    async (renderer) => {
      await open(1)
      await harness.coordinator.pause({ renderer, reason: 'the disk is changed' }, { by: 'ops' })
      const id = await approved(1)
      const { job, scenes } = await harness.coordinator.waiting(id)
      expect(job).toEqual({
        code: renderer === undefined ? 'paused' : 'renderer_paused',
        reason: `${renderer ?? 'all rendering'} is paused by ops until it is resumed: the disk is changed`,
        since: clock.now(),
        until: null,
      })
      expect([...scenes.values()]).toEqual([job])
      expect(harness.coordinator.processingTasks()).toEqual([])
      await harness.coordinator.resume({ renderer })
      expect((await harness.next('render-scene')).jobId).toBe(id)
      expect((await harness.coordinator.waiting(id)).job).toBeNull()
    },
  )

  it('lets one job rest while the others go on; what runs of it, ends', async () => {
    await open(1)
    const resting = await approved(2)
    const running = await harness.next('render-scene')
    await harness.coordinator.pauseJob(resting, { reason: 'the photos are wrong' }, { by: 'ana' })
    const other = await approved(1)
    await harness.render(running)
    const task = await harness.next('render-scene')
    expect(task.jobId).toBe(other)
    await harness.render(task)
    expect((await harness.coordinator.waiting(resting)).job).toMatchObject({
      code: 'job_paused',
      reason: 'the job is paused until it is resumed: the photos are wrong',
    })
    await harness.coordinator.resumeJob(resting, { by: 'ana' })
    expect((await harness.next('render-scene')).jobId).toBe(resting)
    expect((await harness.events(resting)).filter(({ by }) => by === 'ana').map(({ type }) => type)).toEqual([
      'job_paused',
      'job_resumed',
    ])
    expect(await refusalOf(harness.coordinator.resumeJob(resting))).toMatchObject({
      reason: 'Job must be paused to be resumed',
    })
  })
})

describe('whose turn it is', () => {
  const waiter = fc.record({
    clientId: fc.string(),
    inFlight: fc.nat(4),
    lastTurn: fc.nat(4),
    queueAt: fc.integer({ min: 0, max: 1000 * pointMs }),
  })

  it('is decided by what a client has in flight, by its last turn, and among equals by the place in the queue', () => {
    fc.assert(
      fc.property(waiter, waiter, (a, b) => {
        const turn = byTurn(a, b)
        if (a.inFlight !== b.inFlight) expect(Math.sign(turn)).toBe(Math.sign(a.inFlight - b.inFlight))
        else if (a.lastTurn !== b.lastTurn) expect(Math.sign(turn)).toBe(Math.sign(a.lastTurn - b.lastTurn))
        else expect(Math.sign(turn)).toBe(Math.sign(a.queueAt - b.queueAt))
      }),
    )
  })

  it('comes to every client before any has a second one, however many places there are', () => {
    const clients = fc.uniqueArray(waiter, {
      minLength: 2,
      maxLength: 8,
      selector: ({ clientId }) => clientId,
    })
    const work = fc.tuple(clients, fc.integer({ min: 1, max: 5 }), fc.array(fc.nat(100), { maxLength: 60 }))
    fc.assert(
      fc.property(work, ([all, places, ends]) => {
        let waiters: readonly Waiter[] = all.map((one) => ({ ...one, inFlight: 0, lastTurn: 0 }))
        const starts: string[] = []
        const running: string[] = []
        const change = (clientId: string, by: Partial<Waiter>, inFlight: number): void => {
          waiters = waiters.map((one) =>
            one.clientId === clientId ? { ...one, ...by, inFlight: one.inFlight + inFlight } : one,
          )
        }
        for (const end of ends) {
          if (running.length === places) change(running.splice(end % places, 1)[0]!, {}, -1)
          const { clientId } = waiters.toSorted(byTurn)[0]!
          running.push(clientId)
          starts.push(clientId)
          change(clientId, { lastTurn: starts.length }, 1)
        }
        if (places === 1)
          for (let from = 0; from + all.length <= starts.length; from++)
            expect(new Set(starts.slice(from, from + all.length)).size).toBe(all.length)
        else expect(new Set(starts.slice(0, all.length)).size).toBe(Math.min(all.length, starts.length))
      }),
      { seed: 11 },
    )
  })
})
