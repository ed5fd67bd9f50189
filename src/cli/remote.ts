/** The commands for films of a running server: from a request to the downloaded file. */
import { jobTypes } from '../job/job-type.ts'
import { commandLine } from '../command-name.ts'
import type { JobsAnswer, JobsQuery, Resolution } from '../client/client.ts'
import { systemHost } from '../host.ts'
import { jobStatuses } from '../job/lifecycle.ts'
import { type Client, type Wish, clientFor } from './client.ts'
import { CommandError, usageError } from './command-error.ts'
import { type Command, command } from './command.ts'
import { type ValuesOf, choice, flag, given, membersOf, number, orList, readBy, text } from './option.ts'
import { chooseOutput, saveFilm } from './output.ts'
import { print, printJson } from './print.ts'
import { createDisplay, followJob } from './progress.ts'
import { remote } from './remote-command.ts'
import { readRequest, requestOptions } from './request.ts'
import { editedLines, sceneIdOf } from './scene.ts'
import {
  clientId,
  jobIdOf,
  jobName,
  jobPriority,
  oneJob,
  oneScene,
  outputOptions,
  photos,
  remoteOptions,
  since,
} from './shared-options.ts'
import { showLines } from './show.ts'
import { approvalCommand, atUrl } from './suggestion.ts'
import { tableLines } from './table.ts'
import { planLines, planOfJob } from './view.ts'
import { minuteOf, spokenCost, spokenSize } from './words.ts'

const onFailures = ['fail', 'wait', 'ignore'] as const

/** Parses `12` or `12:wait`. */
function dependencyOf(typed: string): { job_id: number; on_failure?: (typeof onFailures)[number] } {
  const [id = '', wanted, ...others] = typed.trim().split(':')
  const on_failure = onFailures.find((name) => name === wanted)
  if (others.length > 0 || (wanted !== undefined && on_failure === undefined))
    throw usageError(`--depends-on must be like 12,13:wait,14:ignore, not "${typed}"`)
  return { job_id: jobIdOf(id), ...(on_failure && { on_failure }) }
}

/** Options of a request outside its `parameters`. */
const jobOptions = {
  name: jobName,
  priority: { ...jobPriority, about: `${jobPriority.about} (default: 50)` },
  dependsOn: readBy((ids) => ids.split(',').map(dependencyOf))(
    'ids',
    'jobs to complete before it starts, with commas. If one fails, it fails too; with 12:wait it waits until that one is retried, with 12:ignore it starts anyway',
  ),
  runAt: text('time', 'earliest start, such as 2027-01-15T18:00:00Z'),
  deadline: text('time', 'fail if it has not ended by then', { member: 'deadline_at' }),
  webhookUrl: text('address', 'send the events of this job there'),
} as const

const submitOptions = {
  ...requestOptions,
  ...jobOptions,
  client: clientId('the client it is for, whose budget pays'),
  maxTries: number('number', 'tries for each scene in all (default: 3)', { member: 'retry.max_tries' }),
  ...remoteOptions,
} as const

export const submit: Command = command(
  {
    summary: 'create a job; nothing is rendered before approval',
    about: 'Shows its plan and its cost.',
    args: { photos },
    options: submitOptions,
    examples: {
      'submit kitchen.jpg garden.jpg --title "12 Elm Street"':
        'A scene for each room, rendered by the server itself.',
      'submit *.jpg --model google/veo-3.1-fast': 'Rendered by a paid model, after approval.',
    },
  },
  async (context, values) => {
    const client = clientFor(values, context)
    const { request, fileOf } = await readRequest(client, 'submit', values)
    const job = await client.createJob(withMembers(request, values))
    if (values.json) return printJson(context, job)
    print(
      context,
      ...planLines(planOfJob(job), fileOf, context.terminal.screen()),
      '',
      `  Job ${job.job_id} waits for your approval: ${approvalCommand(job.job_id, job.estimated_cost, values.url)}`,
      '',
    )
  },
)

/** Options override the members of a request file. */
function withMembers(request: Wish, values: ValuesOf<typeof submitOptions>): Wish {
  const { client, maxTries } = values
  return {
    ...request,
    ...membersOf(jobOptions, values),
    ...(maxTries !== undefined && { retry: { max_tries: maxTries } }),
    parameters: { ...request.parameters, ...given({ client_id: client }) },
  }
}

export const regenerate: Command = remote(
  {
    summary: 'render a scene again',
    about: 'If that costs more than was approved, you have to approve it first.',
    args: { id: oneJob, scene: oneScene },
  },
  async ({ client }, { id, scene }) => client.regenerateScene(id, await sceneIdOf(client, id, scene)),
  editedLines('is rendered again'),
)

export const resolve: Command = remote(
  {
    summary: 'decide a render that is held',
    about:
      'Nobody knows whether the provider accepted it. ledger --status held --json lists what it may be there. A wrong --absent pays twice.',
    args: { id: oneJob, scene: oneScene },
    options: {
      adopt: text('prediction', 'it is this prediction at the provider, at its cost', {
        member: 'prediction_id',
      }),
      absent: flag('the provider never accepted it'),
    },
  },
  async ({ client }, { id, scene, adopt, absent }) => {
    if ((adopt === undefined) !== absent) throw usageError('resolve needs either --adopt or --absent')
    const resolution: Resolution =
      adopt === undefined ? { resolution: 'absent' } : { resolution: 'adopt', prediction_id: adopt }
    return client.resolveScene(id, await sceneIdOf(client, id, scene), resolution)
  },
  ({ scene: { position } }, _asking, { id, adopt }) =>
    adopt === undefined
      ? `The provider never accepted scene ${position + 1} of job ${id}: it may be sent again`
      : `${adopt} counts as the render of scene ${position + 1} of job ${id}, once the provider confirms it`,
)

export const show: Command = remote(
  {
    summary: "show a job's status and costs",
    about: 'Also its scenes, what they wait for, and when it will be done. Times are in UTC.',
    args: { id: oneJob },
  },
  async ({ client }, { id }) => {
    const job = await client.readJob(id)
    const { scenes } = await client.listScenes(id)
    return { ...job, scenes }
  },
  async (job, { client, room }, { url }) => {
    const { versions } = job.film ? await client.listFilmVersions(job.job_id) : { versions: [] }
    return showLines(job, job.scenes, versions.length, { room, now: systemHost.now(), url })
  },
)

const listed = { standard: 20, most: 200 } as const

const filters = {
  status: text('names', `${orList(jobStatuses)}; several with commas`),
  type: choice('name', jobTypes),
  client: clientId('only jobs of this client'),
  since: { ...since('created then or later'), member: 'created_after' },
  until: text('time', 'created before', { member: 'created_before' }),
  text: text('text', "part of the film's name", { member: 'q' }),
} as const

export const list: Command = remote(
  {
    summary: 'list jobs, newest first',
    options: {
      ...filters,
      needsApproval: flag('only jobs that wait for approval, also of what a change costs more'),
      limit: number('number', `how many, at most ${listed.most} (default: ${listed.standard})`),
      all: flag('all of them'),
    },
  },
  ({ client }, values) => {
    const { all, needsApproval, limit = all ? listed.most : listed.standard } = values
    if (all && values.limit !== undefined) throw usageError('list takes --limit or --all, not both')
    const needs_approval = needsApproval ? ('true' as const) : undefined
    const query = { ...membersOf(filters, values), ...given({ needs_approval }), limit }
    return all ? allJobs(client, query) : client.listJobs(query)
  },
  ({ jobs, next_cursor }, { room }) => [
    ...(jobs.length === 0 ? ['There are no such jobs'] : tableLines(jobColumns, jobs.map(jobCells), room)),
    ...(next_cursor === null ? [] : ['and older ones: --all lists them, --limit more of them']),
  ],
)

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
  { head: 'CREATED (UTC)' },
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

export const watch: Command = command(
  {
    summary: "show a job's progress until it ends",
    about: 'Exit code 1 if it fails.',
    args: { id: oneJob },
    options: remoteOptions,
  },
  async (context, { id, ...values }) => {
    const display = createDisplay(context.terminal, { silent: values.json })
    const { job } = await followJob(clientFor(values, context), id, display, context.signal)
    if (values.json) printJson(context, job)
    if (job.status !== 'completed')
      throw new CommandError(`Job ${id} ${job.status}: ${job.error?.reason ?? 'no reason given'}`)
    if (!values.json)
      print(context, '', `Job ${id} is done: ${commandLine(`download ${id}${atUrl(values.url)}`)}`)
  },
)

export const download: Command = remote(
  { summary: "download a job's film", args: { id: oneJob }, options: outputOptions },
  async ({ client, signal }, { id, ...values }) => {
    const output = await chooseOutput(values)
    const response = await client.film(id, { signal })
    await saveFilm(response, output)
    return { path: output.path, size: Number(response.headers.get('content-length')) }
  },
  ({ path, size }) => `${path} (${spokenSize(size)})`,
)
