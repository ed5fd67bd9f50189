/** One way to hold what came from outside against a schema, and to say what is wrong with it. */
import type { z } from 'zod'
import { type FieldProblem, invalid, invalidField } from './errors.ts'

/** `['scenes', 2, 'title']` as a reader writes it: `scenes[2].title`. */
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

const problemsOf = (error: z.ZodError, hint: string): FieldProblem[] =>
  error.issues.map((issue) =>
    issue.code === 'unrecognized_keys'
      ? {
          field: fieldName(issue.path),
          reason: `unknown ${issue.keys.length === 1 ? 'member' : 'members'} ${named(issue.keys)}${hint}`,
        }
      : { field: fieldName(issue.path), reason: plain(issue) },
  )

const plain = (issue: z.core.$ZodIssue): string => {
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input'))
    return issue.input === undefined ? `is required (${issue.expected})` : `must be of type ${issue.expected}`
  return issue.message
}

/**
 * Before each of an object's members is checked, which costs: refuses it where it has more than `most`.
 * @throws {RefusedError} `invalid`
 */
export function refuseCrowded(input: unknown, most: number, field: string, what: string): void {
  if (typeof input === 'object' && input !== null && Object.keys(input).length > most)
    throw invalidField(field, `must have at most ${most} ${what}`)
}

/** `hint`: where members of the caller's own belong. @throws {RefusedError} `invalid`, with every problem found. */
export function checked<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  hint = '',
): z.infer<Schema> {
  const parsed = schema.safeParse(input, { reportInput: true })
  if (!parsed.success) throw invalid(problemsOf(parsed.error, hint))
  return parsed.data
}
