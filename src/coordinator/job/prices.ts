/** Looks prices up again after the price book has changed: an approval covers the prices that its sender could have read. */
import { priceOf } from '../../job/catalogue.ts'
import type { Job } from '../../job/job.ts'
import type { Scene } from '../../job/scene.ts'
import type { Transaction } from '../../store/database.ts'
import { setStoryboard, findJob, listOtherwisePriced } from '../../store/jobs.ts'
import { setScenePlan, listScenes } from '../../store/scenes.ts'
import type { Context } from '../context.ts'
import { quoteFor } from './quote.ts'

/** Updates a job to the current price book. */
async function reprice(
  context: Context,
  tx: Transaction,
  job: Job,
  scenes: readonly Scene[],
): Promise<Job | undefined> {
  const { catalogue, host } = context
  if (job.priceBook === catalogue.version) return undefined
  const now = host.now()
  let changed = false
  const repriced: Scene[] = []
  for (const scene of scenes) {
    const price_micros = scene.render ? priceOf(catalogue, scene.model, scene.render) : scene.price_micros
    const isNew = scene.status === 'pending' && price_micros !== scene.price_micros
    if (isNew) await setScenePlan(tx, scene.id, { ...scene, price_micros }, now)
    changed ||= isNew
    repriced.push(isNew ? { ...scene, price_micros } : scene)
  }
  if (!changed) return undefined
  const { micros } = await quoteFor(
    tx,
    repriced.filter(({ status }) => status === 'pending'),
  )
  const plans = job.storyboard.scenes.map((plan, position) => ({
    ...plan,
    price_micros: repriced[position]!.price_micros,
  }))
  const storyboard = { ...job.storyboard, scenes: plans }
  await setStoryboard(tx, job.id, { storyboard, estimatedMicros: micros, priceBook: catalogue.version }, now)
  return findJob(tx, job.id)
}

/** A job and its scenes at current prices. */
export async function atTodaysPrices(
  context: Context,
  tx: Transaction,
  found: Job,
  scenes: readonly Scene[],
) {
  const repriced = await reprice(context, tx, found, scenes)
  return repriced
    ? { job: repriced, scenes: await listScenes(tx, found.id), isRepriced: true }
    : { job: found, scenes, isRepriced: false }
}

/** Jobs updated in one transaction, which other nodes may collide with. */
const atOnce = 100

/** Updates waiting approved jobs to current prices; their approved sums still apply. */
export async function repriceActive(context: Context): Promise<void> {
  const { catalogue, database } = context
  const ids = await listOtherwisePriced(database, catalogue.version)
  for (let first = 0; first < ids.length; first += atOnce)
    await database.transaction(async (tx) => {
      for (const id of ids.slice(first, first + atOnce)) {
        const job = await findJob(tx, id)
        if (job) await reprice(context, tx, job, await listScenes(tx, id))
      }
    })
}
