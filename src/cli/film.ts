/** demo and render: photographs in, a film out, through a real server that lives as long as the command. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import type { JobAnswer } from '../http/jobs.ts'
import { type Client, createClient } from './client.ts'
import { CommandError, usageError } from './command-error.ts'
import { filmOptions, readOptions } from './option.ts'
import { type Output, chooseOutput, saveFilm } from './output.ts'
import { type OwnServer, startOwnServer } from './own-server.ts'
import { type Terminal, createDisplay, followJob } from './progress.ts'
import { checkReadable, filmRequest, uploadPhotos } from './request.ts'
import { planLines } from './view.ts'
import { count, spokenCost, spokenDuration, spokenLength, spokenSize } from './words.ts'

export interface CommandContext {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly terminal: Terminal
  /** Fires on Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal
}

const options = {
  ...filmOptions,
  out: { type: 'string' },
  force: { type: 'boolean', default: false },
  yes: { type: 'boolean', default: false },
  keep: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

export async function renderFilm(context: CommandContext, samples: 'allowed' | 'refused'): Promise<void> {
  const { env, signal, terminal } = context
  const { values, positionals } = readOptions(context.args, options)
  if (positionals.length === 0 && samples === 'refused')
    throw usageError('render needs at least one photograph')
  await checkReadable(positionals)
  const output = await chooseOutput(values.out, values.force)

  const begun = performance.now()
  const folder = await mkdtemp(join(tmpdir(), 'coordinator-demo-'))
  let server: OwnServer | undefined
  try {
    const say = (line: string): void => void (values.json || terminal.out.write(`${line}\n`))
    const ask = { ...values, say, ...context }
    server = await startOwnServer(folder, env)
    const client = createClient(server.url, signal)
    const photos = positionals.length > 0 ? positionals : await samplePhotos(folder, say)
    const type = values.type ?? (positionals.length > 0 ? undefined : 'property_photos')
    const job = await Promise.race([makeFilm(client, photos, output, { ...ask, type }), server.died])
    await tellResult(job, output, performance.now() - begun, context, values.json)
    if (values.keep) say(`  Data kept in ${folder}\n`)
  } catch (error) {
    throw server ? await server.explain(error) : error
  } finally {
    await server?.stop()
    if (!values.keep) await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function samplePhotos(folder: string, say: (line: string) => void): Promise<string[]> {
  const { makeSamplePhotographs } = await import('../sample/sample.ts')
  say('\n  No photographs given: making sample pictures of a house')
  return makeSamplePhotographs(folder)
}

type Wishes = Parameters<typeof filmRequest>[1] &
  CommandContext & { readonly yes: boolean; readonly json: boolean; readonly say: (line: string) => void }

async function makeFilm(
  client: Client,
  photos: readonly string[],
  output: Output,
  wishes: Wishes,
): Promise<JobAnswer> {
  const { say, signal, terminal } = wishes
  const { assets, fileOf } = await uploadPhotos(client, photos)
  say(`\n  ${count(assets.length, 'picture')} uploaded`)
  const planned = await client.createJob(filmRequest(assets, wishes))
  const list = terminal.live && planned.estimated_cost === 0 ? 'no list' : 'list'
  for (const line of planLines(planned, fileOf, terminal.screen(), list)) say(line)
  await approveCost(planned, wishes)
  const jobId = String(planned.job_id)
  await client.approve(jobId)

  const display = createDisplay(terminal, { fileOf, silent: wishes.json })
  const { job } = await followJob(client, jobId, display, signal)
  if (job.status !== 'completed')
    throw new CommandError(`The film failed: ${job.error?.reason ?? job.status}`)
  await saveFilm(await client.film(jobId), output)
  return job
}

/** What costs nothing needs no question. */
async function approveCost(job: JobAnswer, { yes, say, signal, terminal }: Wishes): Promise<void> {
  if (job.estimated_cost === 0)
    return say(terminal.paint('dim', '            Nothing to pay, so it begins at once'))
  if (yes) return
  if (!process.stdin.isTTY || !terminal.out.isTTY)
    throw new CommandError(
      `The film would cost ${spokenCost(job.estimated_cost)}: give --yes to approve that`,
    )
  const asking = createInterface({ input: process.stdin, output: terminal.out })
  const answer = await asking.question(`\n  Spend ${spokenCost(job.estimated_cost)}? [y/N] `, { signal })
  asking.close()
  if (!/^y(?:es)?$/i.test(answer.trim()))
    throw new CommandError('Not approved, so nothing was rendered or spent')
}

async function tellResult(
  job: JobAnswer,
  { path }: Output,
  tookMs: number,
  { terminal }: CommandContext,
  json: boolean,
): Promise<void> {
  const film = job.film!
  const spent = job.costs.spent ?? job.estimated_cost
  if (json) {
    const { duration, width, height, fps, size } = film
    const facts = { path, duration, width, height, fps, size, took_ms: Math.round(tookMs), cost: spent }
    terminal.out.write(`${JSON.stringify(facts)}\n`)
    return
  }
  const { paint } = terminal
  const facts = [
    spokenLength(film.duration),
    spokenSize(film.size),
    `${film.width} x ${film.height}`,
    `${film.fps} frames a second`,
  ]
  terminal.out.write(
    `\n  ${paint('green', 'Your film')}  ${paint('bold', path)}\n` +
      `             ${facts.join(', ')}\n` +
      `             made in ${spokenDuration(tookMs)} for ${spokenCost(spent)}\n\n`,
  )
}
