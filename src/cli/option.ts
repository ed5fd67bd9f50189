/** What the commands take, and how it is checked. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { commandLine } from '../command-name.ts'
import { changesBetween } from '../job/nearest.ts'
import { usageError } from './command-error.ts'

export type Options = NonNullable<ParseArgsConfig['options']>

/** Written out, as published types can't infer what parseArgs gives. */
export type Read<Given extends Options> = ReturnType<
  typeof parseArgs<{
    args: string[]
    options: Given & { help: { type: 'boolean'; short: 'h' } }
    allowPositionals: true
  }>
>

/** parseArgs, with its errors in a person's words. */
export function readOptions<const Given extends Options>(
  command: string,
  args: readonly string[],
  options: Given,
): Read<Given> {
  try {
    return parseArgs({
      args: [...args],
      options: { ...options, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const sentence = message.split('. ')[0]!
    const [, unknown] = /^Unknown option '--([^']+)'/.exec(sentence) ?? []
    const meant = unknown === undefined ? undefined : nearest(unknown, Object.keys(options))
    const hint = meant === undefined ? '' : `. Did you mean --${meant}?`
    throw usageError(`${sentence}${hint || `. ${commandLine(`${command} --help`)} tells what it takes`}`)
  }
}

/** Which of the names was probably meant: one that begins so, or differs by two letters at most. */
export function nearest(given: string, names: readonly string[]): string | undefined {
  const begun = names.filter((name) => given.length > 1 && name.startsWith(given))
  if (begun.length === 1) return begun[0]
  const most = given.length > 3 ? 2 : 1
  return names
    .map((name) => ({ name, changes: changesBetween(given, name) }))
    .filter(({ changes }) => changes <= most)
    .toSorted((a, b) => a.changes - b.changes)[0]?.name
}

/** How a film is made: for demo, render and submit. */
export const filmOptions = {
  type: { type: 'string' },
  title: { type: 'string' },
  resolution: { type: 'string' },
  fps: { type: 'string' },
  'aspect-ratio': { type: 'string' },
  'clip-duration': { type: 'string' },
  transition: { type: 'string' },
  fit: { type: 'string' },
  model: { type: 'string' },
  audio: { type: 'boolean' },
} as const

export type FilmOptions = {
  readonly [name in Exclude<keyof typeof filmOptions, 'audio'>]?: string | undefined
} & { readonly audio?: boolean | undefined }

/** The request's parameters that options stand for; what they may be is the server's to say. */
export const filmParameters = (options: FilmOptions): Record<string, unknown> =>
  given({
    title: options.title,
    resolution: options.resolution,
    fps: numberOf('fps', options.fps),
    aspect_ratio: options['aspect-ratio'],
    clip_duration: numberOf('clip-duration', options['clip-duration']),
    transition: options.transition,
    fit: options.fit,
    model: options.model,
    audio: options.audio,
  })

type Present<Members> = { [Name in keyof Members]?: Exclude<Members[Name], undefined> }

/** Without the members that are undefined. */
export const given = <Members extends object>(members: Members): Present<Members> =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the filter leaves
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Present<Members>

export function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (text.trim() === '' || !Number.isFinite(number))
    throw usageError(`--${name} must be a number, not "${text}"`)
  return number
}

/** A number, or null for `none`. */
export const numberOrNone = (name: string, text: string | undefined): number | null | undefined =>
  text === 'none' ? null : numberOf(name, text)

/** What is set, or null for `none`. */
export const textOrNone = (text: string | undefined): string | null | undefined =>
  text === 'none' ? null : text
