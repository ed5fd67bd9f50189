/**
 * How often jobs are there by the time that was told: half of them by p50 and nine in ten by p90 is what is promised.
 * Jobs of 1 to 8 scenes come by chance to 4 slots, through the real queue, on a clock that leaps; renders take times of
 * a log-normal distribution (sigma 0.5), as do joinings. Asked for when a job is approved and now and then after.
 * Of several clients each has half as many jobs as the one before it.
 * Run: node bench/eta.ts [jobs] [seed] [clients]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { createClock } from '../test/clock.ts'
import { memoryFolder } from '../test/harness/data.ts'
import { openHarness, silentLog } from '../test/harness/harness.ts'
import { asset, median, quantile } from './harness.ts'

const jobs = Number(process.argv[2] ?? 400)
const seed = Number(process.argv[3] ?? 1)
const clients = Number(process.argv[4] ?? 1)
const warmUp = 50
const slots = 4
const medianMs = { render: 20_000, stitch: 4_000 }
const sigma = 0.5
/** Of the places, on average. */
const load = 0.8

const clock = createClock(seed)
const folder = mkdtempSync(join(memoryFolder, 'bench-eta-'))
const harness = await openHarness({ folder, clock, slots, assets: 1, log: silentLog })
const { coordinator, engine, pubsub } = harness

const normal = (): number =>
  Math.sqrt(-2 * Math.log(1 - clock.random())) * Math.cos(2 * Math.PI * clock.random())
const takes = (ms: number): number => Math.round(ms * Math.exp(sigma * normal()))

const many = { concurrency: 100, onExhausted: () => Promise.resolve() }
engine.handle('render-scene', many, async ({ subject }) => {
  await coordinator.beginAttempt(subject)
  await clock.sleep(takes(medianMs.render))
  await coordinator.sceneRendered(subject, { clip: asset, source: asset, place: '' })
})
engine.handle('join-clips', many, () => Promise.resolve())
engine.handle('stitch-film', many, async ({ jobId }) => {
  await clock.sleep(takes(medianMs.stitch))
  const { storyboard } = await coordinator.job(jobId)
  const artifact = { id: asset, size: 1, contentType: 'video/mp4' }
  const { format, total_duration } = storyboard
  const [durationMs, frames] = [total_duration * 1000, total_duration * format.fps]
  await coordinator.completeJob(jobId, { film: artifact, thumbnail: artifact, durationMs, frames, format })
})
await coordinator.start()

interface Told {
  readonly jobId: number
  readonly when: 'approved' | 'later'
  readonly at: number
  readonly p50: number
  readonly p90: number
}
const told: Told[] = []
const endedAt = new Map<number, number>()
pubsub.subscribe('jobs:completed', ({ job_id }) => endedAt.set(job_id, clock.now()))
const askedMs: number[] = []

async function ask(jobId: number, when: Told['when']): Promise<void> {
  const start = performance.now()
  const eta = await coordinator.eta(jobId)
  askedMs.push(performance.now() - start)
  if (eta?.finishedAt) told.push({ jobId, when, at: clock.now(), ...eta.finishedAt })
}

/** Turns of the event loop after which nothing goes on but by the clock. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 24; turn++) await setImmediate()
}
async function runUntil(at: number): Promise<void> {
  for (;;) {
    await settle()
    const next = clock.nextWakeAt() ?? Number.POSITIVE_INFINITY
    if (next > at) break
    clock.advance(Math.max(0, Math.ceil(next - clock.now())))
  }
  clock.advance(Math.max(0, at - clock.now()))
  await settle()
}

const clientOf = (): number => Math.min(clients, 1 + Math.floor(-Math.log2(1 - clock.random())))
const scenesOf = (): number => 1 + Math.floor(clock.random() * 8)
const meanRenderMs = medianMs.render * Math.exp(sigma ** 2 / 2)
const betweenMs = (4.5 * meanRenderMs) / slots / load
for (let index = 0; index < jobs + warmUp; index++) {
  const count = scenesOf()
  const photos = Array.from({ length: count }, () => ({ asset_id: asset }))
  const client_id = clients === 1 ? undefined : `client ${clientOf()}`
  const { id } = await coordinator.createJob({
    type: 'property_photos',
    parameters: { photos, transition: 'cut', client_id },
    force: true,
  })
  await coordinator.approveJob(id)
  await settle()
  if (index >= warmUp) {
    await ask(id, 'approved')
    const active = await coordinator.activeJobs()
    const other = active[Math.floor(clock.random() * active.length)]
    if (other) await ask(other.job_id, 'later')
  }
  await runUntil(clock.now() - betweenMs * Math.log(1 - clock.random()))
}
while (endedAt.size < jobs + warmUp) await runUntil(clock.now() + 60_000)

console.log(`${jobs} jobs, seed ${seed}, ${slots} slots, load ${load}, clients ${clients}:`)
for (const when of ['approved', 'later'] as const) {
  const ones = told.filter((one) => one.when === when)
  const share = (by: (one: Told) => number): string =>
    `${((100 * ones.filter((one) => endedAt.get(one.jobId)! <= by(one)).length) / ones.length).toFixed(1)} %`
  const lengths = ones.map(({ jobId, at }) => endedAt.get(jobId)! - at)
  const errors = ones.map(
    ({ jobId, at, p50 }) => Math.abs(endedAt.get(jobId)! - p50) / (endedAt.get(jobId)! - at),
  )
  console.log(
    `  asked when ${when === 'approved' ? 'approved' : 'under way'} (${ones.length}): there by p50 ${share(({ p50 }) => p50)}, by p90 ${share(({ p90 }) => p90)};` +
      ` it took ${(median(lengths) / 1000).toFixed(0)} s, p50 was off by ${(100 * median(errors)).toFixed(0)} % (medians)`,
  )
}
console.log(
  `  telling it took ${median(askedMs).toFixed(2)} ms (median), ${quantile(askedMs, 0.95).toFixed(2)} ms (95 %)`,
)
await harness.close()
rmSync(folder, { recursive: true })
