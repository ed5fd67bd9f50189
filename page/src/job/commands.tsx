/** What the palette offers about a job, besides what its parts offer themselves. */
import { type JobAnswer, client } from '../server/client.ts'
import { useSession } from '../server/session.tsx'
import { useAction } from '../ui/action.tsx'
import { useCommands } from '../ui/commands.ts'
import { Problem } from '../ui/problem.tsx'
import { useWords } from '../words/words.tsx'

const ended: readonly string[] = ['completed', 'failed', 'cancelled'] satisfies readonly JobAnswer['status'][]

export function JobCommands({ job }: { readonly job: JobAnswer }) {
  const words = useWords()
  const { can } = useSession()
  const isPaused = job.paused_at !== null
  const pause = useAction(() => (isPaused ? client.resumeJob(job.job_id) : client.pauseJob(job.job_id)))
  const name = `${isPaused ? words.overview.resume : words.overview.pause}: ${job.video_name}`
  useCommands(can('approve') && !ended.includes(job.status) ? [{ name, run: () => void pause.run() }] : [])
  return pause.error === undefined ? null : <Problem error={pause.error} />
}
