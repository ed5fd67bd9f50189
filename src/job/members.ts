/** Schemas for members of requests, each with its error messages. */
import { z } from 'zod'

const clipSeconds = { min: 0.5, max: 60 }
// Control characters and lone surrogates would reach headers, file names and pictures: refused rather than changed.
// oxlint-disable-next-line no-control-regex
const controlCharacter = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/
// oxlint-disable-next-line no-control-regex
const controlButLineBreak = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/

export const line = (most: number) =>
  z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(most, `must have at most ${most} characters`)
    .refine((text) => !controlCharacter.test(text), 'must not contain control characters')
    .refine((text) => text.isWellFormed(), 'must be well-formed Unicode')

export const prose = z
  .string()
  .max(4000, 'must have at most 4000 characters')
  .refine((text) => !controlButLineBreak.test(text), 'must not contain control characters')
  .refine((text) => text.isWellFormed(), 'must be well-formed Unicode')

export const assetIdSchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'must be the id that POST /api/v3/assets returned: 64 characters of 0-9 and a-f')

export const durationSchema = z
  .number()
  .min(clipSeconds.min, `must be at least ${clipSeconds.min} seconds`)
  .max(clipSeconds.max, `must be at most ${clipSeconds.max} seconds`)

export const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: `must be one of ${values.join(', ')}` })

export const modelSchema = line(200)

export const listOf = <Item extends z.ZodType>(item: Item, least: number, most: number, what: string) =>
  z
    .array(item)
    .min(least, `must have at least ${least} ${what}`)
    .max(most, `must have at most ${most} ${what}`)

export const wholeFrom = (least: number, most: number) =>
  z.int('must be a whole number').min(least, `must be at least ${least}`).max(most, `must be at most ${most}`)

export const prioritySchema = wholeFrom(0, 100)

/** Characters; ISO 8601 itself sets no limit to the digits of a second. */
const longestTime = 64

export const timeSchema = z.iso
  .datetime({ offset: true, error: 'must be a time in ISO 8601 with its zone, such as 2026-11-25T18:00:00Z' })
  .max(longestTime, `must have at most ${longestTime} characters`)
  .describe('ISO 8601')

/** The same, parsed to ms since the epoch. */
export const momentSchema = timeSchema.transform((text) => Date.parse(text))

export const jobIdSchema = z.int('must be the id of a job').min(1, 'must be the id of a job')
export const usd = z
  .number('must be a number of US dollars')
  .min(0, 'must not be negative')
  .max(1_000_000_000, 'must be at most 1000000000')
