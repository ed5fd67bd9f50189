/**
 * How near 50 jobs of 8 scenes come to the least time that a provider's limits allow (4 at once, a second between two
 * starts, renders of 30 to 90 s), on a clock that leaps: told by webhooks, and polling alone. The ideal starts each
 * render the very moment a place is free and the second is over, in the same order.
 * Run: node bench/paid.ts [jobs] [scenes]
 */
import type { EndedEntry, PostEntry } from '../src/fake-replicate/ledger.ts'
import { assetOf } from '../test/harness/data.ts'
import { openSimulation } from '../test/harness/simulation.ts'
import { hour, second } from '../test/harness/harness.ts'

const jobs = Number(process.argv[2] ?? 50)
const scenes = Number(process.argv[3] ?? 8)
const limits = { maxConcurrency: 4, startDelayMs: second }

async function run(isReached: boolean): Promise<{ readonly tookMs: number; readonly idealMs: number }> {
  await using simulation = await openSimulation({
    ...limits,
    isReached,
    fake: { renderMs: [30 * second, 90 * second], startMs: 300 },
  })
  const { coordinator } = simulation.life
  const ids: number[] = []
  for (let index = 0; index < jobs; index++) {
    const board = Array.from({ length: scenes }, (_, place) => ({
      asset_ids: [assetOf(place % 8)],
      prompt: `Scene ${place} of job ${index}`,
      duration: 4,
      model: 'google/veo-3.1-fast',
    }))
    const job = await coordinator.createJob({
      type: 'property_photos',
      parameters: { transition: 'cut' },
      storyboard: { scenes: board },
    })
    ids.push(job.id)
  }
  const begun = simulation.clock.now()
  for (const id of ids) await coordinator.approveJob(id)
  const isDone = async (): Promise<boolean> =>
    (await simulation.database.get(`select count(*) as open from jobs where status <> 'completed'`))!.open ===
    0
  if (!(await simulation.run(isDone, 100 * hour))) throw new Error('not all jobs were completed')
  const tookMs = simulation.clock.now() - begun
  const posts = simulation.ledger.filter((entry): entry is PostEntry => entry.what === 'post')
  const endedAt = new Map(
    simulation.ledger
      .filter((entry): entry is EndedEntry => entry.what === 'ended')
      .map(({ prediction, at }) => [prediction, at]),
  )
  const durations = posts.map(({ at, prediction }) => endedAt.get(prediction!)! - at)
  return { tookMs, idealMs: ideal(durations) }
}

/** The end of the last render where each starts as early as the limits allow. */
function ideal(durations: readonly number[]): number {
  const places = Array.from({ length: limits.maxConcurrency }, () => 0)
  let mayStartAt = 0
  let end = 0
  for (const duration of durations) {
    const free = places.indexOf(Math.min(...places))
    const startAt = Math.max(mayStartAt, places[free]!)
    mayStartAt = startAt + limits.startDelayMs
    places[free] = startAt + duration
    end = Math.max(end, startAt + duration)
  }
  return end
}

for (const [name, isReached] of [
  ['told by webhooks', true],
  ['polling alone', false],
] as const) {
  const { tookMs, idealMs } = await run(isReached)
  console.log(
    `${jobs} jobs of ${scenes} scenes, ${name}: ${(tookMs / 60_000).toFixed(1)} min, the ideal ${(idealMs / 60_000).toFixed(1)} min, ratio ${(tookMs / idealMs).toFixed(4)}`,
  )
}
