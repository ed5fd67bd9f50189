/** Commands that control jobs: approve, reject, cancel, retry, change, pause, delete. */
import { commandLine } from '../command-name.ts'
import {
  ApiError,
  type ApprovalRequest,
  type BatchAnswer,
  type JobAnswer,
  type RetryAnswer,
  approvalOf as shownApproval,
} from '../client/client.ts'
import { type Client, clientFor, problemWords, refusalOf } from './client.ts'
import { CommandError, usageError } from './command-error.ts'
import { type Command, type CommandContext, command } from './command.ts'
import { flag, given, membersOf, number, optionName, required, several, text, textOrNone } from './option.ts'
import { canAsk, confirm, print, printAnswer, printJson, printRefused } from './print.ts'
import { type Server, remote } from './remote-command.ts'
import {
  jobDeadline,
  jobName,
  jobPriority,
  jobReason,
  oneJob,
  remoteOptions,
  someJobs,
} from './shared-options.ts'
import { atUrl, resubmitCommand, reviewCommand, revisionOption } from './suggestion.ts'
import { planLines, planOfJob } from './view.ts'
import { count, minuteOf, spokenCost } from './words.ts'

const approvalOptions = {
  maxCost: number('usd', 'the most that a job may spend in all (default: its cost as it is now)'),
  revision: number('number', 'the storyboard you approve, if the job was changed'),
  acceptUnknownCost: flag('approve a model with an unknown price'),
} as const

export const approve: Command = command(
  {
    summary: 'approve jobs and their cost',
    about: 'Of a changed job, approves what it costs more. Exit code 1 if any is refused.',
    args: { ids: someJobs },
    options: { ...approvalOptions, ...remoteOptions },
    examples: {
      'approve 7 --max-cost 1.20': 'Job 7 may spend at most $1.20; the approval is refused if it costs more.',
    },
  },
  async (context, { ids, ...values }) => {
    if (ids.length > 1 && values.revision !== undefined)
      throw usageError('--revision is of one job: approve the others in commands of their own')
    const approval = membersOf(approvalOptions, values)
    const client = clientFor(values, context)
    const next = (id: number, error: ApiError) => nextStep(client, id, error, values.url)
    return each(ids, { ...values, done: 'is approved', next }, context, async (id) =>
      client.approveJob(id, {
        ...(await seenApproval(client, id, values, context)),
        ...approval,
      }),
    )
  },
)

/**
 * Suggests the next command after a refused approval: approve the changed job, or resubmit the rejected one.
 */
async function nextStep(
  client: Client,
  id: number,
  error: ApiError,
  url: string,
): Promise<string | undefined> {
  const { revision } = revisionIn(error)
  const job = await client.readJob(id).catch(() => undefined)
  return job && (job.rejected || revision !== undefined) ? reviewCommand(job, url) : undefined
}

/**
 * The approval of the cost and revision that the person saw. A changed job is first shown here, and
 * confirmed.
 */
async function seenApproval(
  client: Client,
  id: number,
  { revision, json }: Server & { readonly revision: number | undefined },
  context: CommandContext,
): Promise<ApprovalRequest> {
  const job = await client.readJob(id)
  const { max_cost, ...shown } = shownApproval(job)
  const sum = given({ max_cost })
  if (job.revision === 1 || job.revision === revision) return { ...shown, ...sum }
  const isFree = job.costs.to_approve === 0
  // Without a revision, the server refuses and names the current one.
  if (revision !== undefined || isFree || json || !canAsk(context)) return sum
  print(context, ...planLines(planOfJob(job), new Map(), context.terminal.screen()))
  const cost = max_cost === undefined ? 'an unknown sum' : `up to ${spokenCost(max_cost)} in all`
  if (!(await confirm(`Job ${id} was changed since it was made. Spend ${cost}?`, context)))
    throw new CommandError('Not approved, so nothing is rendered or spent')
  return { ...shown, ...sum }
}

export const cancel: Command = command(
  {
    summary: 'cancel jobs, and show what stays charged',
    about: 'Their renders are stopped, here and at providers. Exit code 1 if any is refused.',
    args: { ids: someJobs },
    options: { reason: jobReason, ...remoteOptions },
  },
  async (context, { ids, reason: why, ...values }) => {
    const [id, ...others] = new Set(ids)
    const client = clientFor(values, context)
    if (others.length > 0) {
      const batch = await client.cancelJobs({ ...given({ reason: why }), job_ids: [id!, ...others] })
      return printBatch(batch, 'cancelled', values, context)
    }
    const answer = await client.cancelJob(id!, given({ reason: why }))
    const { spent, reserved } = answer.costs
    printAnswer(context, values, answer, () => [
      `Job ${id} is cancelled`,
      spent === 0 ? 'Nothing is charged' : `${costOr('An unknown sum', spent)} stays charged`,
      ...(reserved > 0
        ? [
            `${spokenCost(reserved)} may still be, until the provider has ended what runs: ${commandLine(`show ${id}${atUrl(values.url)}`)}`,
          ]
        : []),
    ])
  },
)

const costOr = (unknown: string, usd: number | null): string => (usd === null ? unknown : spokenCost(usd))

/** Prints a line for each job; the command fails if any job is refused. */
function printBatch(batch: BatchAnswer, done: string, { json }: Server, context: CommandContext): void {
  if (json) printJson(context, batch)
  else
    for (const result of batch.results)
      if ('error' in result) printRefused(`Job ${result.job_id}: ${problemWords(result)}`)
      else print(context, `Job ${result.job_id} is ${done}`)
  if (batch.refused > 0) throw refusedOf(batch.refused, batch.results.length)
}

const refusedOf = (refused: number, all: number): CommandError =>
  new CommandError(`${refused} of ${count(all, 'job')} ${refused === 1 ? 'was' : 'were'} refused`)

export const reject: Command = remote(
  {
    summary: 'send a job back to its maker instead',
    about: 'It has to be submitted again before it can be approved. What was approved earlier continues.',
    args: { id: oneJob },
    options: { note: required(text('text', 'what has to be changed')) },
  },
  ({ client }, { id, note }) => client.rejectJob(id, { note }),
  (_answer, _asking, { id, url }) =>
    `Job ${id} is rejected. To submit it again once it is changed: ${resubmitCommand(id, url)}`,
)

export const resubmit: Command = remote(
  {
    summary: 'submit a rejected job for approval again',
    about: 'It need not be changed.',
    args: { id: oneJob },
    options: { reason: jobReason },
  },
  ({ client, members }, { id }) => client.submitJob(id, members),
  async ({ needs_approval }, { client }, { id, url }) =>
    needs_approval
      ? `Job ${id} waits for approval again: ${reviewCommand(await client.readJob(id), url)}`
      : `Job ${id} is submitted again`,
)

export const deleteJobs: Command = command(
  {
    summary: 'delete ended jobs; their costs stay on record',
    about:
      'Their scenes and films are deleted, too. Their costs stay in the ledger and in the sums, and their events in the log. Exit code 1 if any is refused.',
    args: { ids: someJobs },
    options: remoteOptions,
  },
  async (context, { ids, ...values }) => {
    const client = clientFor(values, context)
    return each(ids, { ...values, done: 'is deleted' }, context, (id) => client.deleteJob(id))
  },
)

export const retry: Command = remote(
  {
    summary: 'resume a failed or cancelled job',
    about:
      'Finished clips are kept, the other scenes are rendered again. If that costs more than was approved, it asks you; a script gives --max-cost.',
    args: { id: oneJob },
    options: { ...approvalOptions, deadline: jobDeadline, reason: jobReason },
  },
  (asking, { id, maxCost, url, json }) => {
    const { client, members } = asking
    return client.retryJob(id, members).catch(async (error: unknown) => {
      const total = totalIn(error)
      if (total === undefined || maxCost !== undefined) {
        const { rejected } = await client.readJob(id).catch(() => ({ rejected: null }))
        throw error instanceof ApiError && rejected ? refusedWith(error, resubmitCommand(id, url)) : error
      }
      await approveMore(client, { id, total, error, url, json }, asking)
      return client.retryJob(id, { ...members, max_cost: total, ...revisionIn(error) })
    })
  },
  retriedLines,
)

/** The total cost in a refused retry that exceeds the approved sum; undefined in any other error. */
const totalIn = (error: unknown): number | undefined =>
  error instanceof ApiError && typeof error.body['total_cost'] === 'number'
    ? error.body['total_cost']
    : undefined

/** The revision in a refusal, where the job was changed. */
const revisionIn = (error: unknown): { revision?: number } =>
  error instanceof ApiError && typeof error.body['revision'] === 'number'
    ? { revision: error.body['revision'] }
    : {}

interface More {
  readonly id: number
  readonly total: number
  readonly error: unknown
  readonly url: string
  readonly json: boolean
}

/**
 * Asks at the terminal for approval of the higher sum.
 * @throws {CommandError} if it is declined, or there is no terminal
 */
async function approveMore(client: Client, more: More, context: CommandContext): Promise<void> {
  const { id, total, error, url, json } = more
  const [said = ''] = error instanceof ApiError ? (error.body.reason ?? '').split(': ') : []
  if (json || !canAsk(context))
    throw new CommandError(
      `${said}. To allow that: ${commandLine(`retry ${id} --max-cost ${total}${revisionOption(revisionIn(error).revision)}${atUrl(url)}`)}`,
      1,
      {
        cause: error,
      },
    )
  const { scenes } = await client.listScenes(id)
  const kept = scenes.filter(({ status }) => status === 'completed').length
  print(context, `Job ${id}: ${keptWords(kept, scenes.length - kept)}`, said)
  if (!(await confirm(`Spend up to ${spokenCost(total)} in all?`, context)))
    throw new CommandError('Not approved, so nothing is rendered or spent', 1, { cause: error })
}

const keptWords = (kept: number, toRender: number): string =>
  toRender === 0
    ? `${kept === 1 ? 'its scene is' : `all ${kept} scenes are`} kept, and the film is joined again`
    : `${kept === 0 ? 'no scene is kept' : `${count(kept, 'scene')} ${kept === 1 ? 'is' : 'are'} kept`}, ${toRender} to be rendered`

function retriedLines({ job_id, scenes_kept, scenes_to_render, costs }: RetryAnswer): string[] {
  return [
    `Job ${job_id} is resumed: ${keptWords(scenes_kept, scenes_to_render)}`,
    `It may spend ${spokenCost(costs.approved)} in all, and has spent ${costOr('an unknown sum', costs.spent)}`,
  ]
}

const changes = {
  priority: jobPriority,
  name: jobName,
  runAt: textOrNone('time', 'earliest start, such as 2027-01-15T18:00:00Z; none for at once'),
  deadline: jobDeadline,
} as const

export const set: Command = remote(
  {
    summary: "change a job's priority, name, start or deadline",
    about: 'Once it has ended, only its name can be changed.',
    args: { id: oneJob },
    options: changes,
  },
  async ({ client, members }, { id }) => {
    if (Object.keys(members).length === 0)
      throw usageError(`set needs one of ${Object.keys(changes).map(optionName).join(', ')}`)
    return client.updateJob(id, members)
  },
  (job) => `Job ${job.job_id} has ${changedWords(job)}`,
)

const changedWords = ({ video_name, priority, run_at, deadline_at }: JobAnswer): string =>
  [
    `the name ${JSON.stringify(video_name)}`,
    `priority ${priority}`,
    ...(run_at === null ? [] : [`its start at ${minuteOf(run_at)} UTC`]),
    ...(deadline_at === null ? [] : [`its deadline at ${minuteOf(deadline_at)} UTC`]),
  ].join(', ')

const renderer = text('name', 'only this renderer, such as replicate')

const somewhere = {
  args: { ids: several(oneJob, 'jobs; all without any', 'any') },
  options: { renderer, ...remoteOptions },
} as const

export const pause: Command = command(
  {
    ...somewhere,
    summary: 'start nothing new: everywhere, or for some jobs',
    about: 'Running renders continue to their end.',
    options: { ...somewhere.options, reason: jobReason },
  },
  async (context, { ids, renderer: name, reason: why, ...values }) => {
    checkOneKind(ids, name, 'pause')
    const client = clientFor(values, context)
    if (ids.length > 0)
      return each(ids, { ...values, done: 'is paused' }, context, (id) =>
        client.pauseJob(id, given({ reason: why })),
      )
    const answer = await client.pause(given({ renderer: name, reason: why }))
    printAnswer(
      context,
      values,
      answer,
      () => `${name ?? 'Everything'} is paused: nothing new is started, running renders continue`,
    )
  },
)

export const resume: Command = command(
  {
    ...somewhere,
    summary: 'end a pause: everywhere, or of some jobs',
  },
  async (context, { ids, renderer: name, ...values }) => {
    checkOneKind(ids, name, 'resume')
    const client = clientFor(values, context)
    if (ids.length > 0)
      return each(ids, { ...values, done: 'is resumed' }, context, (id) => client.resumeJob(id))
    const answer = await client.resume(given({ renderer: name }))
    const isHeld = name !== undefined && answer.paused !== null
    const still = isHeld ? `, but everything is still paused: ${commandLine('resume')}` : ''
    printAnswer(context, values, answer, () => `${name ?? 'Everything'} is resumed${still}`)
  },
)

function checkOneKind(ids: readonly number[], name: string | undefined, verb: string): void {
  if (ids.length > 0 && name !== undefined) throw usageError(`${verb} takes jobs or --renderer, not both`)
}

const nextWords = (line: string | undefined): string => (line === undefined ? '' : `. To do that: ${line}`)

/** A refusal, with the command that resolves it. */
const refusedWith = (error: ApiError, line: string): CommandError =>
  new CommandError(`${refusalOf(error)}${nextWords(line)}`, 1, { cause: error })

/** Runs the verb for each job in order. A refusal does not stop the others, but makes the command fail. */
async function each(
  ids: readonly number[],
  {
    json,
    done,
    next,
  }: {
    readonly json: boolean
    readonly done: string
    readonly next?: (id: number, error: ApiError) => Promise<string | undefined>
  },
  context: CommandContext,
  verb: (id: number) => Promise<unknown>,
): Promise<void> {
  const results: unknown[] = []
  let refused = 0
  const jobs = new Set(ids)
  for (const id of jobs) {
    try {
      results.push(await verb(id))
      if (!json) print(context, `Job ${id} ${done}`)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      refused++
      results.push({ ...error.body, job_id: id })
      const goOn = json ? undefined : await next?.(id, error)
      if (jobs.size === 1) throw goOn === undefined ? error : refusedWith(error, goOn)
      if (!json) printRefused(`Job ${id}: ${problemWords(error.body)}${nextWords(goOn)}`)
    }
  }
  if (json) printJson(context, jobs.size === 1 ? results[0] : { done: jobs.size - refused, refused, results })
  if (refused > 0) throw refusedOf(refused, jobs.size)
}
