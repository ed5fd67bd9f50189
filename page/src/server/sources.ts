/** What the pages show: each names a request, and says which events change its answer. */
import { type JobEvent, type JobsAnswer, client } from './client.ts'
import type { Source } from './live.ts'

/** Events that change neither what a job costs nor what it waits for. */
const isProgress = ({ type }: JobEvent): boolean => type === 'job_progress'

export const waitingJobs: Source<JobsAnswer> = {
  name: 'waiting jobs',
  load: (signal) => client.listJobs({ needs_approval: 'true', limit: 200 }, { signal }),
  on: (event, data) => (isProgress(event) ? data : 'again'),
}
