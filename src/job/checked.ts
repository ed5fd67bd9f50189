/** Validates input from outside against a schema, and reports every problem with its field. */
import { z } from 'zod'
import { type FieldProblem, invalid, invalidField } from './errors.ts'
import { nearestOf } from './nearest.ts'

/** `['scenes', 2, 'title']` becomes `scenes[2].title`. */
const fieldName = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (name, key) =>
      typeof key === 'number' ? `${name}[${key}]` : name === '' ? String(key) : `${name}.${String(key)}`,
    '',
  )

const mostNames = 10

const named = (names: readonly string[]): string =>
  [
    ...names.slice(0, mostNames).map((name) => JSON.stringify(name.slice(0, 60))),
    ...(names.length > mostNames ? [`and ${names.length - mostNames} more`] : []),
  ].join(', ')

const problemsOf = (error: z.ZodError): FieldProblem[] =>
  error.issues.map((issue) => ({
    field: fieldName(issue.path),
    reason: issue.code === 'unrecognized_keys' ? issue.message : plain(issue),
  }))

/** `inst` is the schema without these members; zod's final issue no longer has it. */
function unknownMembers(
  { keys, inst }: z.core.$ZodRawIssue<z.core.$ZodIssueUnrecognizedKeys>,
  hint: string,
): string {
  const names = inst instanceof z.ZodObject ? Object.keys(inst.shape) : []
  const meant = keys.slice(0, mostNames).flatMap((key) => nearestOf(key, names) ?? [])
  const question = meant.length === 0 ? hint : `. Did you mean ${named([...new Set(meant)])}?`
  return `unknown ${keys.length === 1 ? 'member' : 'members'} ${named(keys)}${question}`
}

const plain = (issue: z.core.$ZodIssue): string => {
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input'))
    return issue.input === undefined ? `is required (${issue.expected})` : `must be of type ${issue.expected}`
  return issue.message
}

/**
 * Refuses an object with more than `most` members, before the costly check of each member.
 * @throws {RefusedError} `invalid`
 */
export function refuseCrowded(input: unknown, most: number, field: string, what: string): void {
  if (typeof input === 'object' && input !== null && Object.keys(input).length > most)
    throw invalidField(field, `must have at most ${most} ${what}`)
}

export interface CheckOptions {
  /** Where the caller should put fields of their own. */
  readonly hint?: string
  /** Further problems that the caller of this function found. */
  readonly found?: readonly FieldProblem[]
}

/** @throws {RefusedError} `invalid`, with every problem found. */
export function checked<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  { hint = '', found = [] }: CheckOptions = {},
): z.infer<Schema> {
  const parsed = schema.safeParse(input, {
    reportInput: true,
    error: (issue) => (issue.code === 'unrecognized_keys' ? unknownMembers(issue, hint) : undefined),
  })
  const problems = [...(parsed.success ? [] : problemsOf(parsed.error)), ...found]
  if (!parsed.success || problems.length > 0) throw invalid(problems)
  return parsed.data
}
