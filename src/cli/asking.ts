/** What the commands that ask a running server have in common. */
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import { text } from 'node:stream/consumers'
import { commandLine } from '../command-name.ts'
import { escaped, printable } from '../printable.ts'
import type { JobAnswer } from '../client/client.ts'
import { type Client, type Wish, connect } from './client.ts'
import { CommandError, usageError } from './command-error.ts'
import type { CommandContext } from './command.ts'
import { type FilmOptions, filmOptions } from './option.ts'
import { checkReadable, filmRequest, uploadPhotos } from './request.ts'

export const remoteOptions = {
  url: { type: 'string', default: 'http://127.0.0.1:4000' },
  key: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

/** For submit and estimate. */
export const requestOptions = {
  ...remoteOptions,
  ...filmOptions,
  file: { type: 'string' },
} as const

export const print = ({ terminal }: CommandContext, ...lines: string[]): void =>
  void terminal.out.write(`${lines.map(terminal.shown).join('\n')}\n`)

export const printJson = ({ terminal }: CommandContext, value: unknown): void =>
  void terminal.out.write(`${escaped(JSON.stringify(value, null, terminal.live ? 2 : 0))}\n`)

/** For programs that read a line at a time. */
export const printJsonLine = ({ terminal }: CommandContext, value: unknown): void =>
  void terminal.out.write(`${escaped(JSON.stringify(value))}\n`)

/** A refusal of one among many, which doesn't end the command. */
export const printRefused = (line: string): void =>
  void process.stderr.write(`${printable(`coordinator: ${line}`)}\n`)

/** @throws {CommandError} where it is no number that a job can have */
export function jobIdOf(given: string): number {
  const id = Number(given)
  if (!/^[1-9]\d*$/.test(given) || !Number.isSafeInteger(id))
    throw usageError(`"${given}" is no job's id, which is a number such as 123`)
  return id
}

export function oneId(positionals: readonly string[], command: string): number {
  if (positionals.length !== 1) throw usageError(`${command} needs one job's id`)
  return jobIdOf(positionals[0]!)
}

export function someIds(positionals: readonly string[], command: string): number[] {
  if (positionals.length === 0) throw usageError(`${command} needs a job's id, or several`)
  return [...new Set(positionals.map(jobIdOf))]
}

export function noMore(positionals: readonly string[], command: string): void {
  if (positionals.length > 0) throw usageError(`${command} takes no "${positionals[0]}"`)
}

export function clientFor(
  { url, key: told }: { readonly url: string; readonly key?: string | undefined },
  { env, signal }: CommandContext,
): Client {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw usageError(`--url must be an address such as http://127.0.0.1:4000, not "${url}"`)
  const key = told ?? env['COORDINATOR_KEY']
  // Not told: it may be one with a letter too many.
  if (key && !/^[\x21-\x7e]+$/.test(key))
    throw usageError(
      `${told === undefined ? 'COORDINATOR_KEY' : '--key'} must be a key, without spaces and line breaks`,
    )
  return connect(url, signal, key)
}

/** How the same server is named in a command that is suggested. */
export const atUrl = (url: string): string => (url === remoteOptions.url.default ? '' : ` --url ${url}`)

export const revisionOption = (revision: number | undefined): string =>
  revision === undefined ? '' : ` --revision ${revision}`

/** The command that approves a job at the same server; `toApprove` is null where a price is unknown, `revision` of a changed job. */
export const approvalCommand = (
  jobId: number,
  toApprove: number | null,
  url: string,
  revision?: number,
): string =>
  commandLine(
    `approve ${jobId}${revisionOption(revision)}${toApprove === null ? ' --accept-unknown-cost' : ''}${atUrl(url)}`,
  )

/** The command that submits a rejected job again at the same server. */
export const resubmitCommand = (jobId: number, url: string): string =>
  commandLine(`resubmit ${jobId}${atUrl(url)}`)

type Reviewed = Pick<JobAnswer, 'job_id' | 'revision' | 'rejected'> & {
  readonly costs: Pick<JobAnswer['costs'], 'to_approve'>
}

/** What is to be done before a job is paid for. */
export const reviewCommand = ({ job_id: id, revision, rejected, costs }: Reviewed, url: string): string =>
  rejected
    ? resubmitCommand(id, url)
    : approvalCommand(id, costs.to_approve, url, revision === 1 ? undefined : revision)

/** Whether there is a person who could answer. */
export const canAsk = ({ terminal }: CommandContext): boolean => process.stdin.isTTY && terminal.out.isTTY

export async function confirm(question: string, { terminal, signal }: CommandContext): Promise<boolean> {
  const asking = createInterface({ input: process.stdin, output: terminal.out })
  try {
    const answer = await asking.question(`${question} [y/N] `, { signal })
    return /^y(?:es)?$/i.test(answer.trim())
  } finally {
    asking.close()
  }
}

/** The request that photographs and options, or a file, stand for. */
export async function readRequest(
  client: Client,
  photos: readonly string[],
  options: FilmOptions & { readonly file?: string | undefined },
  command: string,
): Promise<{ readonly request: Wish; readonly fileOf: ReadonlyMap<string, string> }> {
  const { file } = options
  if ((file === undefined) === (photos.length === 0))
    throw usageError(`${command} needs photographs, or a request with --file`)
  if (file !== undefined) {
    const told = Object.entries(options).find(
      ([name, value]) => name in filmOptions && value !== undefined,
    )?.[0]
    if (told !== undefined) throw usageError(`--${told} belongs in the parameters of ${file}`)
    const request = await readJson(file)
    if (typeof request !== 'object' || request === null || Array.isArray(request))
      throw new CommandError(`${file}: is no JSON object`)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is in it is the server's to check
    return { request: request as Wish, fileOf: new Map() }
  }
  await checkReadable(photos)
  const { assets, fileOf } = await uploadPhotos(client, photos)
  return { request: filmRequest(assets, options), fileOf }
}

async function readJson(file: string): Promise<unknown> {
  const source = file === '-' ? text(process.stdin) : readFile(file, 'utf8')
  const read = await source.catch((cause: unknown) => {
    throw new CommandError(`${file}: cannot be read`, 1, { cause })
  })
  try {
    return JSON.parse(read)
  } catch (cause) {
    throw new CommandError(`${file}: is not JSON (${cause instanceof Error ? cause.message : ''})`, 1, {
      cause,
    })
  }
}
