/** What is done with jobs that are there: let spend, ended, tried again, changed, let rest. */
import { commandLine } from '../command-name.ts'
import {
  ApiError,
  type ApprovalRequest,
  type BatchAnswer,
  type JobAnswer,
  type RetryAnswer,
  approvalOf as shownApproval,
} from '../client/client.ts'
import {
  atUrl,
  canAsk,
  clientFor,
  confirm,
  oneId,
  print,
  printJson,
  printRefused,
  remoteOptions,
  resubmitCommand,
  reviewCommand,
  revisionOption,
  someIds,
} from './asking.ts'
import { type Client, problemWords, refusalOf } from './client.ts'
import { CommandError, usageError } from './command-error.ts'
import { type Command, type CommandContext, command } from './command.ts'
import { given, numberOf, textOrNone } from './option.ts'
import { planLines, planOfJob } from './view.ts'
import { count, minuteOf, spokenCost } from './words.ts'

const approvalOptions = {
  ...remoteOptions,
  'max-cost': { type: 'string' },
  'accept-unknown-cost': { type: 'boolean', default: false },
  revision: { type: 'string' },
} as const

const approvalOf = (values: {
  readonly 'max-cost'?: string | undefined
  readonly 'accept-unknown-cost': boolean
  readonly revision?: string | undefined
}) => ({
  ...given({
    max_cost: numberOf('max-cost', values['max-cost']),
    revision: numberOf('revision', values.revision),
  }),
  ...(values['accept-unknown-cost'] && { accept_unknown_cost: true }),
})

export const approve: Command = command(approvalOptions, async (context, { values, positionals }) => {
  const ids = someIds(positionals, 'approve')
  if (ids.length > 1 && values.revision !== undefined)
    throw usageError('--revision is of one job: approve the others by themselves')
  const approval = approvalOf(values)
  const client = clientFor(values, context)
  const next = (id: number, error: ApiError) => nextStep(client, id, error, values.url)
  return each(ids, { json: values.json, done: 'is approved', next }, context, async (id) =>
    client.approveJob(id, {
      ...(await seenApproval(client, id, approval, values.json, context)),
      ...approval,
    }),
  )
})

/** The command that goes on from a refused approval: for what a changed job is now, or of a rejected one. */
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

/** The sum and the revision that a person could have seen: of a job that was changed only those that are shown here. */
async function seenApproval(
  client: Client,
  id: number,
  { revision }: ApprovalRequest,
  json: boolean,
  context: CommandContext,
): Promise<ApprovalRequest> {
  const job = await client.readJob(id)
  const { max_cost, ...shown } = shownApproval(job)
  const sum = given({ max_cost })
  if (job.revision === 1 || job.revision === revision) return { ...shown, ...sum }
  const isFree = job.costs.to_approve === 0
  // The server says then which revision it is.
  if (revision !== undefined || isFree || json || !canAsk(context)) return sum
  print(context, ...planLines(planOfJob(job), new Map(), context.terminal.screen()))
  const cost = max_cost === undefined ? 'an unknown sum' : `up to ${spokenCost(max_cost)} in all`
  if (!(await confirm(`Job ${id} was changed since it was made. Spend ${cost}?`, context)))
    throw new CommandError('Not approved, so nothing is rendered or spent')
  return { ...shown, ...sum }
}

const whyOptions = { ...remoteOptions, reason: { type: 'string' } } as const

export const cancel: Command = command(whyOptions, async (context, { values, positionals }) => {
  const ids = someIds(positionals, 'cancel')
  const why = given({ reason: values.reason })
  const client = clientFor(values, context)
  if (ids.length > 1) {
    const batch = await client.cancelJobs({ ...why, job_ids: ids })
    return tellBatch(batch, 'cancelled', values.json, context)
  }
  const id = ids[0]!
  const answer = await client.cancelJob(id, why)
  if (values.json) return printJson(context, answer)
  const { spent, reserved } = answer.costs
  print(
    context,
    `Job ${id} is cancelled`,
    spent === 0
      ? 'Nothing is charged'
      : `${spent === null ? 'An unknown sum' : spokenCost(spent)} stays charged`,
    ...(reserved > 0
      ? [
          `${spokenCost(reserved)} may still be, until the provider has ended what runs: ${commandLine(`show ${id}${atUrl(values.url)}`)} tells`,
        ]
      : []),
  )
})

/** Each job has its own line; one that is refused makes the command fail. */
function tellBatch(batch: BatchAnswer, done: string, json: boolean, context: CommandContext): void {
  if (json) printJson(context, batch)
  else
    for (const result of batch.results)
      if ('error' in result) printRefused(`Job ${result.job_id}: ${problemWords(result)}`)
      else print(context, `Job ${result.job_id} is ${done}`)
  if (batch.refused > 0) throw refusedOf(batch.refused, batch.results.length)
}

const refusedOf = (refused: number, all: number): CommandError =>
  new CommandError(`${refused} of ${count(all, 'job')} ${refused === 1 ? 'was' : 'were'} refused`)

export const reject: Command = command(
  { ...remoteOptions, note: { type: 'string' } },
  async (context, { values, positionals }) => {
    const id = oneId(positionals, 'reject')
    const { note } = values
    if (note === undefined) throw usageError('reject needs --note: what its maker has to change')
    const answer = await clientFor(values, context).rejectJob(id, { note })
    if (values.json) printJson(context, answer)
    else
      print(
        context,
        `Job ${id} is rejected. Changed, it can be submitted again: ${resubmitCommand(id, values.url)}`,
      )
  },
)

export const resubmit: Command = command(whyOptions, async (context, { values, positionals }) => {
  const id = oneId(positionals, 'resubmit')
  const client = clientFor(values, context)
  const answer = await client.submitJob(id, given({ reason: values.reason }))
  if (values.json) printJson(context, answer)
  else if (answer.needs_approval)
    print(
      context,
      `Job ${id} waits for an approval again: ${reviewCommand(await client.readJob(id), values.url)}`,
    )
  else print(context, `Job ${id} is submitted again`)
})

export const deleteJobs: Command = command(remoteOptions, async (context, { values, positionals }) => {
  const ids = someIds(positionals, 'delete')
  const client = clientFor(values, context)
  return each(ids, { json: values.json, done: 'is deleted' }, context, (id) => client.deleteJob(id))
})

const retryOptions = {
  ...approvalOptions,
  deadline: { type: 'string' },
  reason: { type: 'string' },
} as const

export const retry: Command = command(retryOptions, async (context, { values, positionals }) => {
  const id = oneId(positionals, 'retry')
  const request = {
    ...approvalOf(values),
    ...given({ deadline_at: textOrNone(values.deadline), reason: values.reason }),
  }
  const client = clientFor(values, context)
  const answer = await client.retryJob(id, request).catch(async (error: unknown) => {
    const total = totalIn(error)
    if (total === undefined || values['max-cost'] !== undefined) {
      const { rejected } = await client.readJob(id).catch(() => ({ rejected: null }))
      throw error instanceof ApiError && rejected
        ? refusedWith(error, resubmitCommand(id, values.url))
        : error
    }
    await approveMore(client, { id, total, error, url: values.url, json: values.json }, context)
    return client.retryJob(id, { ...request, max_cost: total, ...revisionIn(error) })
  })
  if (values.json) printJson(context, answer)
  else print(context, ...retriedLines(answer))
})

/** What it would cost in all, where a retry is refused since that is more than was approved. */
const totalIn = (error: unknown): number | undefined =>
  error instanceof ApiError && typeof error.body['total_cost'] === 'number'
    ? error.body['total_cost']
    : undefined

/** The revision that a refusal tells, where its job was changed. */
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

/** Asks who sits there. @throws {CommandError} where nobody does, or he doesn't want to */
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
  const spent = costs.spent === null ? 'an unknown sum' : spokenCost(costs.spent)
  return [
    `Job ${job_id} goes on: ${keptWords(scenes_kept, scenes_to_render)}`,
    `It may spend ${spokenCost(costs.approved)} in all, and has spent ${spent}`,
  ]
}

const changeOptions = {
  ...remoteOptions,
  priority: { type: 'string' },
  name: { type: 'string' },
  'run-at': { type: 'string' },
  deadline: { type: 'string' },
} as const

export const set: Command = command(changeOptions, async (context, { values, positionals }) => {
  const id = oneId(positionals, 'set')
  const change = given({
    priority: numberOf('priority', values.priority),
    video_name: values.name,
    run_at: textOrNone(values['run-at']),
    deadline_at: textOrNone(values.deadline),
  })
  if (Object.keys(change).length === 0)
    throw usageError('set needs one of --priority, --name, --run-at and --deadline')
  const job = await clientFor(values, context).updateJob(id, change)
  if (values.json) printJson(context, job)
  else print(context, `Job ${id} has ${changedWords(job)}`)
})

const changedWords = ({ video_name, priority, run_at, deadline_at }: JobAnswer): string =>
  [
    `the name ${JSON.stringify(video_name)}`,
    `priority ${priority}`,
    ...(run_at === null ? [] : [`its start at ${minuteOf(run_at)} UTC`]),
    ...(deadline_at === null ? [] : [`its deadline at ${minuteOf(deadline_at)} UTC`]),
  ].join(', ')

const pauseOptions = { ...whyOptions, renderer: { type: 'string' } } as const

export const pause: Command = command(pauseOptions, async (context, { values, positionals }) => {
  const { renderer, reason } = values
  const ids = stopped(positionals, renderer, 'pause')
  const client = clientFor(values, context)
  if (ids.length > 0)
    return each(ids, { json: values.json, done: 'rests' }, context, (id) =>
      client.pauseJob(id, given({ reason })),
    )
  const answer = await client.pause(given({ renderer, reason }))
  if (values.json) printJson(context, answer)
  else print(context, `${renderer ?? 'Everything'} is paused: nothing new is started, what runs, ends`)
})

const resumeOptions = { ...remoteOptions, renderer: { type: 'string' } } as const

export const resume: Command = command(resumeOptions, async (context, { values, positionals }) => {
  const { renderer } = values
  const ids = stopped(positionals, renderer, 'resume')
  const client = clientFor(values, context)
  if (ids.length > 0)
    return each(ids, { json: values.json, done: 'goes on' }, context, (id) => client.resumeJob(id))
  const answer = await client.resume(given({ renderer }))
  if (values.json) return printJson(context, answer)
  const isHeld = renderer !== undefined && answer.paused !== null
  print(
    context,
    `${renderer ?? 'Everything'} goes on${isHeld ? `, once everything does: ${commandLine('resume')}` : ''}`,
  )
})

/** Some jobs; none: all of them, or a renderer. */
function stopped(positionals: readonly string[], renderer: string | undefined, verb: string): number[] {
  if (positionals.length === 0) return []
  if (renderer !== undefined) throw usageError(`${verb} takes jobs or --renderer, not both`)
  return someIds(positionals, verb)
}

const nextWords = (line: string | undefined): string => (line === undefined ? '' : `. To do that: ${line}`)

/** A refusal with the command that goes on from it. */
const refusedWith = (error: ApiError, line: string): CommandError =>
  new CommandError(`${refusalOf(error)}${nextWords(line)}`, 1, { cause: error })

/** One after the other; one that is refused stops no other, and makes the command fail. */
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
  for (const id of ids) {
    try {
      results.push(await verb(id))
      if (!json) print(context, `Job ${id} ${done}`)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      refused++
      results.push({ ...error.body, job_id: id })
      const goOn = json ? undefined : await next?.(id, error)
      if (ids.length === 1) throw goOn === undefined ? error : refusedWith(error, goOn)
      if (!json) printRefused(`Job ${id}: ${problemWords(error.body)}${nextWords(goOn)}`)
    }
  }
  if (json)
    printJson(context, ids.length === 1 ? results[0] : { done: ids.length - refused, refused, results })
  if (refused > 0) throw refusedOf(refused, ids.length)
}
