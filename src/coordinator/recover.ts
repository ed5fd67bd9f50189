/** Recovery at start: gives every attempt in flight and every unfinished film its task again, if that is missing. */
import type { Task } from '../job/task.ts'
import { logLine } from '../log.ts'
import { listInFlight, listUnfetched, submitIntended } from '../store/attempts.ts'
import type { Reader } from '../store/database.ts'
import { listUnsettled } from '../store/dependencies.ts'
import { countActiveJobs, listUnstitched } from '../store/jobs.ts'
import { releaseOutages } from '../store/money.ts'
import { listTaking } from '../store/scenes.ts'
import { listTasks } from '../store/tasks.ts'
import { repriceActive } from './job/prices.ts'
import type { Context } from './context.ts'

/** Idempotent. Other nodes may be at work: nothing of theirs is touched. */
export async function recover(context: Context): Promise<void> {
  const { database, engine, host, limitOf, log } = context
  const { approved, processing } = await countActiveJobs(database)
  logLine.recovering(log, { approved, processing })
  // Read in a snapshot: a transaction that has read all of these rows collides with every other node.
  const { missing, ...resumed } = await database.snapshot((reader) => unfinished(context, reader))
  await database.transaction(async (tx) => {
    for (const { name, task } of limitOf.values())
      if (task === 'render-scene') await submitIntended(tx, name, host.now())
    for (const task of missing) await engine.enqueue(tx, task)
    // The cause may have been fixed before the restart.
    await releaseOutages(tx)
  })
  await repriceActive(context)
  if (resumed.renders > 0 || resumed.films > 0) logLine.resuming(log, resumed)
}

async function unfinished({ limitOf }: Context, reader: Reader) {
  const taskOf = (renderer: string) => limitOf.get(renderer)?.task ?? 'follow-render'
  const renders = new Map<string, Task>()
  const add = (id: string, renderer: string, jobId: number) =>
    renders.set(id, { kind: taskOf(renderer), subject: id, jobId })
  // A held attempt waits for a person, unless a render was named for it.
  for (const { id, status, hintedId, renderer, jobId } of await listInFlight(reader))
    if (status !== 'held' || hintedId !== null) add(id, renderer, jobId)
  for (const { id, renderer, jobId } of await listUnfetched(reader)) add(id, renderer, jobId)
  const taking = (await listTaking(reader)).map(({ id, jobId }): Task => ({
    kind: 'take-clip',
    subject: id,
    jobId,
  }))
  const films = (await listUnstitched(reader)).map((jobId) => ofJob('stitch-film', jobId))
  const settling = (await listUnsettled(reader)).map((jobId) => ofJob('settle-dependents', jobId))
  const known = new Set((await listTasks(reader)).map(keyOf))
  const missing = [...taking, ...renders.values(), ...films, ...settling].filter(
    (task) => !known.has(keyOf(task)),
  )
  return { missing, renders: renders.size, films: films.length }
}

const ofJob = (kind: Task['kind'], jobId: number): Task => ({ kind, subject: String(jobId), jobId })

const keyOf = ({ kind, subject }: Pick<Task, 'kind' | 'subject'>): string => `${kind} ${subject}`
