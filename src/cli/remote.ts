/** The commands that ask a running server for films. */
import {
  approvalCommand,
  clientFor,
  oneId,
  print,
  printJson,
  readRequest,
  remoteOptions,
  requestOptions,
} from './asking.ts'
import type { Client } from './client.ts'
import type { JobAnswer } from '../http/jobs.ts'
import type { SceneAnswer } from '../http/scenes.ts'
import { CommandError, usageError } from './command-error.ts'
import type { CommandContext } from './film.ts'
import { numberOf, readOptions } from './option.ts'
import { chooseOutput, saveFilm } from './output.ts'
import { createDisplay, followJob } from './progress.ts'
import { planLines, planOfJob, sceneName } from './view.ts'
import { count, fitted, spokenCost, spokenLength, spokenMoney, spokenSize } from './words.ts'

export async function submit(context: CommandContext): Promise<void> {
  const { values, positionals } = readOptions(context.args, { ...requestOptions, name: { type: 'string' } })
  const client = clientFor(values.url, context.signal)
  const { request, fileOf } = await readRequest(client, positionals, values, 'submit')
  const job = await client.createJob(request)
  if (values.json) return printJson(context, job)
  print(
    context,
    ...planLines(planOfJob(job), fileOf, context.terminal.screen()),
    '',
    `  Job ${job.job_id} waits for your approval: ${approvalCommand(job.job_id, job.estimated_cost, values.url)}`,
    '',
  )
}

export async function approve(context: CommandContext): Promise<void> {
  const { values, positionals } = readOptions(context.args, {
    ...remoteOptions,
    'max-cost': { type: 'string' },
    'accept-unknown-cost': { type: 'boolean', default: false },
  })
  const id = oneId(positionals, 'approve')
  const most = numberOf('max-cost', values['max-cost'])
  const answer = await clientFor(values.url, context.signal).approve(id, {
    ...(most !== undefined && { max_cost: most }),
    ...(values['accept-unknown-cost'] && { accept_unknown_cost: true }),
  })
  if (values.json) printJson(context, answer)
  else print(context, `Job ${answer.job_id} is approved`)
}

export async function cancel(context: CommandContext): Promise<void> {
  const { values, positionals } = readOptions(context.args, remoteOptions)
  const id = oneId(positionals, 'cancel')
  const answer = await clientFor(values.url, context.signal).cancel(id)
  if (values.json) return printJson(context, answer)
  const { spent, reserved } = answer.costs
  print(
    context,
    `Job ${answer.job_id} is cancelled`,
    spent === 0
      ? 'Nothing is charged'
      : `${spent === null ? 'An unknown sum' : spokenCost(spent)} stays charged`,
    ...(reserved > 0
      ? [
          `${spokenCost(reserved)} may still be, until the provider has ended what runs: coordinator show ${id} tells`,
        ]
      : []),
  )
}

export async function regenerate(context: CommandContext): Promise<void> {
  const { values, positionals } = readOptions(context.args, remoteOptions)
  const [id, wanted, ...others] = positionals
  if (id === undefined || wanted === undefined || others.length > 0)
    throw usageError("regenerate needs a job's id and a scene's number")
  const client = clientFor(values.url, context.signal)
  const answer = await client.regenerate(id, await sceneIdOf(client, id, wanted))
  if (values.json) return printJson(context, answer)
  const { scene, to_approve } = answer
  const words = `Scene ${scene.position + 1} of job ${id} is rendered again`
  const sum = to_approve === null ? 'its unknown cost is' : `${spokenCost(to_approve)} more are`
  if (to_approve === 0) print(context, words)
  else print(context, `${words}, once ${sum} approved: ${approvalCommand(id, to_approve, values.url)}`)
}

/** A scene's number, as people see it, or its id. */
async function sceneIdOf(client: Client, jobId: string, wanted: string): Promise<string> {
  if (!/^\d{1,6}$/.test(wanted)) return wanted
  const { scenes } = await client.scenes(jobId)
  const scene = scenes[Number(wanted) - 1]
  if (scene) return scene.id
  throw new CommandError(`Job ${jobId} has ${count(scenes.length, 'scene')}, and no scene ${wanted}`)
}

export async function show(context: CommandContext): Promise<void> {
  const { values, positionals } = readOptions(context.args, remoteOptions)
  const client = clientFor(values.url, context.signal)
  const id = oneId(positionals, 'show')
  const job = await client.job(id)
  const { scenes } = await client.scenes(id)
  if (values.json) return printJson(context, { ...job, scenes })
  const facts: [string, string | undefined][] = [
    ['Job', `${job.job_id}, ${job.type}`],
    ['Name', job.video_name],
    ['Status', `${job.status}, ${job.progress_percentage} % (${job.current_stage})`],
    ['Why', job.error?.reason],
    ['Cost', `${spokenCost(job.costs.estimated)} estimated, ${spokenCost(job.costs.approved)} approved`],
    ['Money', spokenMoney(job.costs)],
    ['To pay', toPayWords(job)],
    ['Film', job.film ? filmWords(job.film) : `${spokenLength(job.storyboard.total_duration)} planned`],
    ['Asked for', job.inserted_at],
    ['Approved', job.approved_at ?? undefined],
    ['Ended', job.ended_at ?? undefined],
  ]
  print(
    context,
    ...facts.filter(([, value]) => value !== undefined).map(([name, value]) => `${name.padEnd(10)} ${value}`),
    '',
    ...sceneLines(job, scenes),
  )
}

/** What waits to be paid; undefined where that is nothing. */
function toPayWords({ costs }: JobAnswer): string | undefined {
  if (costs.scenes_to_pay === 0) return undefined
  const approval = costs.to_approve === 0 ? '' : ', to be approved'
  return `${spokenCost(costs.to_pay)} for ${count(costs.scenes_to_pay, 'scene')}${approval}`
}

function sceneLines({ costs, storyboard }: JobAnswer, scenes: readonly SceneAnswer[]): string[] {
  const digits = String(scenes.length).length
  const isPaid = storyboard.scenes.some(({ model }) => model !== 'local')
  const costOf = new Map(costs.scenes.map((cost) => [cost.scene_id, cost]))
  return scenes.map((scene, position) => {
    const isTold = scene.status === 'processing' && scene.progress_percentage > 0
    const state = isTold ? `${scene.progress_percentage} %` : scene.status
    const cost = costOf.get(scene.id)
    const money = isPaid && cost ? sceneMoney(cost) : ''
    const why = scene.error?.reason ?? scene.waiting?.reason ?? ''
    return `${String(position + 1).padStart(digits)}  ${fitted(sceneName(scene, position), 28)}  ${state.padEnd(10)}${isPaid ? `  ${money.padEnd(15)}` : ''}  ${why}`.trimEnd()
  })
}

function sceneMoney({ estimated, reserved, spent }: JobAnswer['costs']['scenes'][number]): string {
  return spent === 0 && reserved === 0
    ? `${spokenCost(estimated)} estimated`
    : spokenMoney({ spent, reserved })
}

const filmWords = (film: NonNullable<JobAnswer['film']>): string =>
  `${spokenLength(film.duration)}, ${film.width} x ${film.height}, ${spokenSize(film.size)}, ${film.url}`

const row = (id: string, state: string, done: string, cost: string, asked: string, name: string): string =>
  `${id.padStart(6)}  ${state.padEnd(10)}  ${done.padStart(5)}  ${cost.padStart(8)}  ${asked.padEnd(16)}  ${fitted(name, 30)}`.trimEnd()

export async function list(context: CommandContext): Promise<void> {
  const { values, positionals } = readOptions(context.args, {
    ...remoteOptions,
    status: { type: 'string' },
    type: { type: 'string' },
    limit: { type: 'string', default: '20' },
  })
  if (positionals.length > 0) throw usageError(`list takes no "${positionals[0]}"`)
  const { status, type, limit } = values
  const query = new URLSearchParams({ limit, ...(status && { status }), ...(type && { type }) })
  const answer = await clientFor(values.url, context.signal).jobs(query)
  if (values.json) return printJson(context, answer)
  if (answer.jobs.length === 0) return print(context, 'There are no such jobs')
  print(
    context,
    row('ID', 'STATUS', 'DONE', 'COST', 'ASKED FOR (UTC)', 'NAME'),
    ...answer.jobs.map((job) =>
      row(
        String(job.job_id),
        job.status,
        `${job.progress_percentage} %`,
        spokenCost(job.estimated_cost),
        job.inserted_at.slice(0, 16).replace('T', ' '),
        job.video_name,
      ),
    ),
  )
  if (answer.next_cursor !== null) print(context, `and older ones: raise --limit`)
}

export async function watch(context: CommandContext): Promise<void> {
  const { values, positionals } = readOptions(context.args, remoteOptions)
  const id = oneId(positionals, 'watch')
  const display = createDisplay(context.terminal, { silent: values.json })
  const { job } = await followJob(clientFor(values.url, context.signal), id, display, context.signal)
  if (values.json) printJson(context, job)
  if (job.status !== 'completed')
    throw new CommandError(`Job ${id} ${job.status}: ${job.error?.reason ?? 'no reason given'}`)
  if (!values.json) print(context, '', `Job ${id} is done: coordinator download ${id}`)
}

export async function download(context: CommandContext): Promise<void> {
  const { values, positionals } = readOptions(context.args, {
    ...remoteOptions,
    out: { type: 'string' },
    force: { type: 'boolean', default: false },
  })
  const id = oneId(positionals, 'download')
  const output = await chooseOutput(values.out, values.force)
  const response = await clientFor(values.url, context.signal).film(id)
  await saveFilm(response, output)
  const size = Number(response.headers.get('content-length'))
  if (values.json) printJson(context, { path: output.path, size })
  else print(context, `${output.path} (${spokenSize(size)})`)
}
