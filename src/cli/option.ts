/** What the commands take, and how it is checked. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { usageError } from './command-error.ts'

type Options = NonNullable<ParseArgsConfig['options']>

/** parseArgs, with its errors in a person's words. */
export function readOptions<const Given extends Options>(args: readonly string[], options: Given) {
  try {
    return parseArgs({
      args: [...args],
      options: { ...options, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw usageError(message.split('. ')[0]!)
  }
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
export function filmParameters(options: FilmOptions): Record<string, unknown> {
  const given = {
    title: options.title,
    resolution: options.resolution,
    fps: numberOf('fps', options.fps),
    aspect_ratio: options['aspect-ratio'],
    clip_duration: numberOf('clip-duration', options['clip-duration']),
    transition: options.transition,
    fit: options.fit,
    model: options.model,
    audio: options.audio,
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

export function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (text.trim() === '' || !Number.isFinite(number))
    throw usageError(`--${name} must be a number, not "${text}"`)
  return number
}
