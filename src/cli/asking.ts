/** What the commands that ask a running server have in common. */
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { type Client, createClient } from './client.ts'
import { CommandError, usageError } from './command-error.ts'
import type { CommandContext } from './film.ts'
import { type FilmOptions, filmOptions } from './option.ts'
import { checkReadable, filmRequest, uploadPhotos } from './request.ts'

export const remoteOptions = {
  url: { type: 'string', default: 'http://127.0.0.1:4000' },
  json: { type: 'boolean', default: false },
} as const

/** For submit and estimate. */
export const requestOptions = {
  ...remoteOptions,
  ...filmOptions,
  file: { type: 'string' },
} as const

export const print = ({ terminal }: CommandContext, ...lines: string[]): void =>
  void terminal.out.write(`${lines.join('\n')}\n`)

export const printJson = (context: CommandContext, value: unknown): void =>
  print(context, JSON.stringify(value, null, context.terminal.live ? 2 : 0))

export function oneId(positionals: readonly string[], command: string): string {
  if (positionals.length !== 1) throw usageError(`${command} needs one job's id`)
  return positionals[0]!
}

export function clientFor(url: string, signal: AbortSignal): Client {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw usageError(`--url must be an address such as http://127.0.0.1:4000, not "${url}"`)
  return createClient(url, signal)
}

/** The command that approves a job at the same server; `toApprove` is null where a price is unknown. */
export const approvalCommand = (jobId: number | string, toApprove: number | null, url: string): string =>
  `coordinator approve ${jobId}${toApprove === null ? ' --accept-unknown-cost' : ''}${url === remoteOptions.url.default ? '' : ` --url ${url}`}`

/** The request that photographs and options, or a file, stand for. */
export async function readRequest(
  client: Client,
  photos: readonly string[],
  options: FilmOptions & { readonly name?: string | undefined; readonly file?: string | undefined },
  command: string,
): Promise<{ readonly request: unknown; readonly fileOf: ReadonlyMap<string, string> }> {
  const { file } = options
  if ((file === undefined) === (photos.length === 0))
    throw usageError(`${command} needs photographs, or a request with --file`)
  if (file !== undefined) return { request: await readJson(file), fileOf: new Map() }
  await checkReadable(photos)
  const { assets, fileOf } = await uploadPhotos(client, photos)
  return { request: filmRequest(assets, options), fileOf }
}

async function readJson(file: string): Promise<unknown> {
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
