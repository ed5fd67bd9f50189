/** The commands that ask a running server. */
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import type { JobAnswer } from '../http/jobs.ts'
import { createClient } from './client.ts'
import { CommandError, usageError } from './command-error.ts'
import type { CommandContext } from './film.ts'
import { filmOptions, readOptions } from './option.ts'
import { chooseOutput, saveFilm } from './output.ts'
import { createDisplay, followJob } from './progress.ts'
import { checkReadable, filmRequest, uploadPhotos } from './request.ts'
import { costWords, planLines, sceneName } from './view.ts'
import { fitted, spokenCost, spokenLength, spokenSize } from './words.ts'

const remoteOptions = {
  url: { type: 'string', default: 'http://127.0.0.1:4000' },
  json: { type: 'boolean', default: false },
} as const

const print = ({ terminal }: CommandContext, ...lines: string[]): void =>
  void terminal.out.write(`${lines.join('\n')}\n`)

const printJson = (context: CommandContext, value: unknown): void =>
  print(context, JSON.stringify(value, null, context.terminal.live ? 2 : 0))

function oneId(positionals: readonly string[], command: string): string {
  if (positionals.length !== 1) throw usageError(`${command} needs one job's id`)
  return positionals[0]!
}

function clientFor(url: string, signal: AbortSignal) {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw usageError(`--url must be an address such as http://127.0.0.1:4000, not "${url}"`)
  return createClient(url, signal)
}

export async function submit(context: CommandContext): Promise<void> {
  const { values, positionals } = readOptions(context.args, {
    ...remoteOptions,
    ...filmOptions,
    file: { type: 'string' },
    name: { type: 'string' },
  })
  if ((values.file === undefined) === (positionals.length === 0))
    throw usageError('submit needs photographs, or a request with --file')
  const client = clientFor(values.url, context.signal)
  await checkReadable(positionals)
  const uploaded = await uploadPhotos(client, positionals)
  const request =
    values.file === undefined ? filmRequest(uploaded.assets, values) : await readRequest(values.file)
  const job = await client.createJob(request)
  if (values.json) return printJson(context, job)
  const again = values.url === remoteOptions.url.default ? '' : ` --url ${values.url}`
  print(
    context,
    ...planLines(job, uploaded.fileOf, context.terminal.screen()),
    '',
    `  Job ${job.job_id} waits for your approval: coordinator approve ${job.job_id}${again}`,
    '',
  )
}

async function readRequest(file: string): Promise<unknown> {
  const source = file === '-' ? text(process.stdin) : readFile(file, 'utf8')
  const given = await source.catch((cause: unknown) => {
    throw new CommandError(`${file}: cannot be read`, 1, { cause })
  })
  try {
    return JSON.parse(given)
  } catch (cause) {
    throw new CommandError(`${file}: is not JSON (${cause instanceof Error ? cause.message : ''})`, 1, {
      cause,
    })
  }
}

export async function approve(context: CommandContext): Promise<void> {
  const { values, positionals } = readOptions(context.args, remoteOptions)
  const id = oneId(positionals, 'approve')
  const answer = await clientFor(values.url, context.signal).approve(id)
  if (values.json) printJson(context, answer)
  else print(context, `Job ${answer.job_id} is approved`)
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
    ['Cost', costWords(job)],
    ['Film', job.film ? filmWords(job.film) : `${spokenLength(job.storyboard.total_duration)} planned`],
    ['Asked for', job.inserted_at],
    ['Approved', job.approved_at ?? undefined],
    ['Ended', job.ended_at ?? undefined],
  ]
  const digits = String(scenes.length).length
  print(
    context,
    ...facts.filter(([, value]) => value !== undefined).map(([name, value]) => `${name.padEnd(10)} ${value}`),
    '',
    ...scenes.map((scene, position) => {
      const state = scene.status === 'processing' ? `${scene.progress_percentage} %` : scene.status
      const why = scene.error ? `  ${scene.error.reason}` : ''
      return `${String(position + 1).padStart(digits)}  ${fitted(sceneName(scene, position), 32)}  ${state}${why}`
    }),
  )
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
