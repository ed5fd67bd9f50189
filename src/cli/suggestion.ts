/** Suggested next commands, for the same server. */
import { commandLine } from '../command-name.ts'
import type { JobAnswer } from '../client/client.ts'
import { remoteOptions } from './shared-options.ts'

/** The option that names the same server; empty for the default. */
export const atUrl = (url: string): string => (url === remoteOptions.url.default ? '' : ` --url ${url}`)

export const revisionOption = (revision: number | undefined): string =>
  revision === undefined ? '' : ` --revision ${revision}`

/** `toApprove`: US dollars, null where a price is unknown. `revision`: of a changed job. */
export const approvalCommand = (
  jobId: number,
  toApprove: number | null,
  url: string,
  revision?: number,
): string =>
  commandLine(
    `approve ${jobId}${revisionOption(revision)}${toApprove === null ? ' --accept-unknown-cost' : ''}${atUrl(url)}`,
  )

export const resubmitCommand = (jobId: number, url: string): string =>
  commandLine(`resubmit ${jobId}${atUrl(url)}`)

type Reviewed = Pick<JobAnswer, 'job_id' | 'revision' | 'rejected'> & {
  readonly costs: Pick<JobAnswer['costs'], 'to_approve'>
}

/** The command to run before a job is paid for. */
export const reviewCommand = ({ job_id: id, revision, rejected, costs }: Reviewed, url: string): string =>
  rejected
    ? resubmitCommand(id, url)
    : approvalCommand(id, costs.to_approve, url, revision === 1 ? undefined : revision)
