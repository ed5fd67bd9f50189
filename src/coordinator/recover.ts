/** Recovery at start: gives every attempt in flight and every unfinished film its task again. */
import { logLine } from '../log.ts'
import { listInFlight, listUnfetched, submitIntended } from '../store/attempts.ts'
import { listUnsettled } from '../store/dependencies.ts'
import { countActiveJobs, listUnstitched } from '../store/jobs.ts'
import { releaseOutages } from '../store/money.ts'
import { listTaking } from '../store/scenes.ts'
import { repriceActive } from './job/prices.ts'
import type { Context } from './context.ts'

/** Idempotent: an existing task is not added twice. */
export async function recover(context: Context): Promise<void> {
  const { database, engine, host, limitOf, log } = context
  const { approved, processing } = await countActiveJobs(database)
  logLine.recovering(log, { approved, processing })
  const resumed = await database.transaction(async (tx) => {
    for (const { name, task } of limitOf.values())
      if (task === 'render-scene') await submitIntended(tx, name, host.now())
    const renders = new Map<string, { readonly renderer: string; readonly jobId: number }>()
    // A held attempt waits for a person, unless a render was named for it.
    for (const { id, status, hintedId, renderer, jobId } of await listInFlight(tx))
      if (status !== 'held' || hintedId !== null) renders.set(id, { renderer, jobId })
    for (const { id, renderer, jobId } of await listUnfetched(tx)) renders.set(id, { renderer, jobId })
    for (const { id, jobId } of await listTaking(tx))
      await engine.enqueue(tx, { kind: 'take-clip', subject: id, jobId })
    for (const [subject, { renderer, jobId }] of renders)
      await engine.enqueue(tx, { kind: limitOf.get(renderer)?.task ?? 'follow-render', subject, jobId })
    const unstitched = await listUnstitched(tx)
    for (const jobId of unstitched)
      await engine.enqueue(tx, { kind: 'stitch-film', subject: String(jobId), jobId })
    // Its task is there already, except after a move to another database.
    for (const jobId of await listUnsettled(tx))
      await engine.enqueue(tx, { kind: 'settle-dependents', subject: String(jobId), jobId })
    await repriceActive(context, tx)
    // The cause may have been fixed before the restart.
    await releaseOutages(tx)
    return { renders: renders.size, films: unstitched.length }
  })
  if (resumed.renders > 0 || resumed.films > 0) logLine.resuming(log, resumed)
}
