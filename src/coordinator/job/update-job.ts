/** Changes a job's priority, name, start time or deadline. */
import { once } from '../../access/idempotency.ts'
import { parseJobChange } from '../../job/control-request.ts'
import { jobNotFound, scopeMissing } from '../../job/errors.ts'
import { type Actor, differences } from '../../job/event.ts'
import type { Job } from '../../job/job.ts'
import { mayApprove } from '../../job/reach.ts'
import { findJob, setJobPlan } from '../../store/jobs.ts'
import type { Context } from '../context.ts'
import { rejoin } from '../scene/starting.ts'
import { isOpen, checkMayEnd } from './cancel-job.ts'
import { keptJob, refused } from './existing-job.ts'
import { timesOf } from './times.ts'

/** Changes an open job; of an ended one only the name. @throws {RefusedError} */
export async function updateJob(
  context: Context,
  jobId: number,
  input: unknown,
  actor?: Actor,
): Promise<Job> {
  const { database, host, emit, wakeScheduler } = context
  const change = parseJobChange(input)
  return once(database, actor, keptJob, async (tx) => {
    const before = await findJob(tx, jobId)
    if (!before) throw jobNotFound(jobId)
    const now = host.now()
    const { priority, video_name, run_at, deadline_at } = change
    const times = timesOf({ run_at, deadline_at }, before, now)
    // The approval was given for that start time.
    if (run_at !== undefined && before.status !== 'pending' && !mayApprove(actor?.rights))
      throw scopeMissing(
        'approve',
        `Job ${jobId} is ${before.status}: changing run_at needs a key with the scope approve`,
      )
    // A deadline ends the job as a cancel does.
    if (typeof deadline_at === 'string' && isOpen(before)) await checkMayEnd(tx, before, actor?.rights)
    const after = {
      priority: priority ?? before.priority,
      videoName: video_name ?? before.videoName,
      ...times,
    }
    // The name may change in any state.
    const isName = Object.keys(change).every((name) => name === 'video_name')
    if ((await setJobPlan(tx, jobId, after, { isAnyState: isName, now })) === 0)
      throw await refused(tx, jobId, 'update')
    const data = { changed: change, ...differences(changeable(before), changeable(after)) }
    await emit(tx, { type: 'job_updated', jobId, data, actor })
    await rejoin(context, tx, jobId)
    tx.afterCommit(wakeScheduler)
    return (await findJob(tx, jobId))!
  })
}

/** The changeable members of a job, as the event lists them. */
const changeable = ({
  priority,
  videoName,
  runAt,
  deadlineAt,
}: Pick<Job, 'priority' | 'videoName' | 'runAt' | 'deadlineAt'>) => ({
  priority,
  video_name: videoName,
  run_at: runAt && new Date(runAt).toISOString(),
  deadline_at: deadlineAt && new Date(deadlineAt).toISOString(),
})
