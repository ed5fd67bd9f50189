/** The commands that ask a running server for films. */
import { commandLine } from '../command-name.ts'
import {
  approvalCommand,
  atUrl,
  clientFor,
  jobIdOf,
  noMore,
  oneId,
  print,
  printJson,
  readRequest,
  remoteOptions,
  requestOptions,
} from './asking.ts'
import type { JobsAnswer, JobsQuery } from '../client/client.ts'
import { systemHost } from '../host.ts'
import type { Client, Wish } from './client.ts'
import { CommandError, usageError } from './command-error.ts'
import { type Command, command } from './command.ts'
import { type Read, given, numberOf } from './option.ts'
import { chooseOutput, saveFilm } from './output.ts'
import { createDisplay, followJob } from './progress.ts'
import { sceneIdOf, tellEdited } from './scene.ts'
import { showLines } from './show.ts'
import { roomOf, tableLines } from './table.ts'
import { planLines, planOfJob } from './view.ts'
import { minuteOf, spokenCost, spokenSize } from './words.ts'

const submitOptions = {
  ...requestOptions,
  name: { type: 'string' },
  priority: { type: 'string' },
  'depends-on': { type: 'string' },
  'run-at': { type: 'string' },
  deadline: { type: 'string' },
  client: { type: 'string' },
  'webhook-url': { type: 'string' },
  'max-tries': { type: 'string' },
} as const

export const submit: Command = command(submitOptions, async (context, { values, positionals }) => {
  const members = wishOf(values)
  const client = clientFor(values, context)
  const { request, fileOf } = await readRequest(client, positionals, values, 'submit')
  const job = await client.createJob(withMembers(request, members, values.client))
  if (values.json) return printJson(context, job)
  print(
    context,
    ...planLines(planOfJob(job), fileOf, context.terminal.screen()),
    '',
    `  Job ${job.job_id} waits for your approval: ${approvalCommand(job.job_id, job.estimated_cost, values.url)}`,
    '',
  )
})

type SubmitValues = Read<typeof submitOptions>['values']

/** What a request says beside its parameters. */
const wishOf = (values: SubmitValues) => {
  const tries = numberOf('max-tries', values['max-tries'])
  return given({
    video_name: values.name,
    priority: numberOf('priority', values.priority),
    depends_on: values['depends-on']?.split(',').map(dependencyOf),
    run_at: values['run-at'],
    deadline_at: values.deadline,
    webhook_url: values['webhook-url'],
    retry: tries === undefined ? undefined : { max_tries: tries },
  })
}

/** What options say goes before what a file says. */
function withMembers(request: Wish, members: ReturnType<typeof wishOf>, clientId: string | undefined): Wish {
  const { parameters } = request
  return {
    ...request,
    ...members,
    ...(clientId !== undefined && { parameters: { ...parameters, client_id: clientId } }),
  }
}

const onFailures = ['fail', 'wait', 'ignore'] as const

/** `12`, `12:wait`. */
function dependencyOf(text: string): { job_id: number; on_failure?: (typeof onFailures)[number] } {
  const [id = '', wanted, ...others] = text.trim().split(':')
  const on_failure = onFailures.find((name) => name === wanted)
  if (others.length > 0 || (wanted !== undefined && on_failure === undefined))
    throw usageError(`--depends-on must be like 12,13:wait,14:ignore, not "${text}"`)
  return { job_id: jobIdOf(id), ...(on_failure && { on_failure }) }
}

export const regenerate: Command = command(remoteOptions, async (context, { values, positionals }) => {
  const [told, wanted, ...others] = positionals
  if (told === undefined || wanted === undefined || others.length > 0)
    throw usageError("regenerate needs a job's id and a scene's number")
  const id = jobIdOf(told)
  const client = clientFor(values, context)
  const answer = await client.regenerateScene(id, await sceneIdOf(client, id, wanted))
  await tellEdited(client, answer, 'is rendered again', values, context)
})

const resolveOptions = {
  ...remoteOptions,
  adopt: { type: 'string' },
  absent: { type: 'boolean', default: false },
} as const

export const resolve: Command = command(resolveOptions, async (context, { values, positionals }) => {
  const [told, wanted, ...others] = positionals
  if (told === undefined || wanted === undefined || others.length > 0)
    throw usageError("resolve needs a job's id and a scene's number")
  const { adopt, absent } = values
  if ((adopt === undefined) !== absent) throw usageError('resolve needs either --adopt or --absent')
  const id = jobIdOf(told)
  const client = clientFor(values, context)
  const answer = await client.resolveScene(
    id,
    await sceneIdOf(client, id, wanted),
    adopt === undefined ? { resolution: 'absent' } : { resolution: 'adopt', prediction_id: adopt },
  )
  if (values.json) return printJson(context, answer)
  const number = answer.scene.position + 1
  print(
    context,
    adopt === undefined
      ? `The provider never accepted scene ${number} of job ${id}, so that it may be sent again`
      : `${adopt} is taken for the render of scene ${number} of job ${id}, once the provider tells of it`,
  )
})

export const show: Command = command(remoteOptions, async (context, { values, positionals }) => {
  const client = clientFor(values, context)
  const id = oneId(positionals, 'show')
  const job = await client.readJob(id)
  const { scenes } = await client.listScenes(id)
  if (values.json) return printJson(context, { ...job, scenes })
  const { versions } = job.film ? await client.listFilmVersions(id) : { versions: [] }
  const screen = { room: roomOf(context.terminal), now: systemHost.now(), url: values.url }
  print(context, ...showLines(job, scenes, versions.length, screen))
})

const listOptions = {
  ...remoteOptions,
  status: { type: 'string' },
  type: { type: 'string' },
  client: { type: 'string' },
  since: { type: 'string' },
  until: { type: 'string' },
  text: { type: 'string' },
  'needs-approval': { type: 'boolean', default: false },
  limit: { type: 'string' },
  all: { type: 'boolean', default: false },
} as const

const listed = { standard: 20, most: 200 } as const

export const list: Command = command(listOptions, async (context, { values, positionals }) => {
  noMore(positionals, 'list')
  const { all } = values
  if (all && values.limit !== undefined) throw usageError('list takes --limit or --all, not both')
  const query = given({
    status: values.status,
    type: values.type,
    client_id: values.client,
    created_after: values.since,
    created_before: values.until,
    q: values.text,
    needs_approval: values['needs-approval'] ? ('true' as const) : undefined,
  })
  const limit = all ? listed.most : (numberOf('limit', values.limit) ?? listed.standard)
  const client = clientFor(values, context)
  const { jobs, next_cursor } = await (all ? allJobs : pageOfJobs)(client, { ...query, limit })
  if (values.json) return printJson(context, { jobs, next_cursor })
  if (jobs.length === 0) return print(context, 'There are no such jobs')
  print(context, ...tableLines(jobColumns, jobs.map(jobCells), roomOf(context.terminal)))
  if (next_cursor !== null) print(context, 'and older ones: --all lists them, --limit more of them')
})

const pageOfJobs = (client: Client, query: JobsQuery): Promise<JobsAnswer> => client.listJobs(query)

async function allJobs(client: Client, query: JobsQuery): Promise<JobsAnswer> {
  const jobs: JobsAnswer['jobs'] = []
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page: JobsAnswer = await client.listJobs({ ...query, ...given({ cursor }) })
    jobs.push(...page.jobs)
    cursor = page.next_cursor
  }
  return { jobs, next_cursor: null }
}

const jobColumns = [
  { head: 'ID', align: 'right' },
  { head: 'STATUS' },
  { head: 'DONE', align: 'right' },
  { head: 'COST', align: 'right' },
  { head: 'ASKED FOR (UTC)' },
  { head: 'NAME', isCut: true },
] as const

type Listed = JobsAnswer['jobs'][number]

const jobCells = (job: Listed): string[] => [
  String(job.job_id),
  stateWords(job),
  `${job.progress_percentage} %`,
  spokenCost(job.estimated_cost),
  minuteOf(job.inserted_at),
  job.video_name,
]

function stateWords({ status, paused_at, rejected, needs_approval, to_approve }: Listed): string {
  if (rejected && status !== 'cancelled') return `${status}, rejected`
  if (needs_approval && status !== 'pending') return `${status}, ${spokenCost(to_approve)} to approve`
  return paused_at === null ? status : `${status}, paused`
}

export const watch: Command = command(remoteOptions, async (context, { values, positionals }) => {
  const id = oneId(positionals, 'watch')
  const display = createDisplay(context.terminal, { silent: values.json })
  const { job } = await followJob(clientFor(values, context), id, display, context.signal)
  if (values.json) printJson(context, job)
  if (job.status !== 'completed')
    throw new CommandError(`Job ${id} ${job.status}: ${job.error?.reason ?? 'no reason given'}`)
  if (!values.json)
    print(context, '', `Job ${id} is done: ${commandLine(`download ${id}${atUrl(values.url)}`)}`)
})

const downloadOptions = {
  ...remoteOptions,
  out: { type: 'string' },
  force: { type: 'boolean', default: false },
} as const

export const download: Command = command(downloadOptions, async (context, { values, positionals }) => {
  const id = oneId(positionals, 'download')
  const output = await chooseOutput(values.out, values.force)
  const response = await clientFor(values, context).film(id, { signal: context.signal })
  await saveFilm(response, output)
  const size = Number(response.headers.get('content-length'))
  if (values.json) printJson(context, { path: output.path, size })
  else print(context, `${output.path} (${spokenSize(size)})`)
})
