/** One way to hold what came from outside against a schema, and to say what is wrong with it. */
import type { z } from 'zod'
import { type FieldProblem, invalid } from './errors.ts'

/** `['scenes', 2, 'title']` as a reader writes it: `scenes[2].title`. */
const fieldName = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (name, key) =>
      typeof key === 'number' ? `${name}[${key}]` : name === '' ? String(key) : `${name}.${String(key)}`,
    '',
  )

const problemsOf = (error: z.ZodError, hint: string): FieldProblem[] =>
  error.issues.map((issue) =>
    issue.code === 'unrecognized_keys'
      ? {
          field: fieldName(issue.path),
          reason: `unknown ${issue.keys.length === 1 ? 'member' : 'members'} ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}${hint}`,
        }
      : { field: fieldName(issue.path), reason: plain(issue) },
  )

const plain = (issue: z.core.$ZodIssue): string => {
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input'))
    return issue.input === undefined ? `is required (${issue.expected})` : `must be of type ${issue.expected}`
  return issue.message
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
