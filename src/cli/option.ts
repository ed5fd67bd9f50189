/** Options and arguments: each is declared once, and its help and its parser derive from that. */
import { usageError } from './command-error.ts'

/** An option or an argument. `Member`: its name in the API, where that is not its own name in snake_case. */
export interface Option<Value, Member extends string | undefined = string | undefined> {
  /** The placeholder of the value in the help; empty for a flag or an argument. */
  readonly value: string
  readonly about: string
  /** Parses one text. `name`: the option as it is typed, for error messages. */
  readonly read: (text: string, name: string) => unknown
  readonly default?: Value
  readonly isRequired?: boolean
  /** How many values are allowed; absent for exactly one. */
  readonly many?: 'optional' | 'some' | 'any'
  readonly member?: Member
}

export type Options = Readonly<Record<string, Option<unknown>>>

type ValueOf<One> = One extends Option<infer Value> ? Value : never

export type ValuesOf<All extends Options> = { readonly [Name in keyof All]: ValueOf<All[Name]> }

interface More<Member> {
  readonly member?: Member
}

export const readBy =
  <Value>(read: (text: string, name: string) => Value) =>
  <const Member extends string | undefined = undefined>(
    value: string,
    about: string,
    more?: More<Member>,
  ): Option<Value | undefined, Member> => ({ value, about, read, ...more })

export const flag = (about: string): Option<boolean> => ({
  value: '',
  about,
  read: () => true,
  default: false,
})

export const text = readBy((given) => given)

export const number = readBy(numberOf)

/** Several values, separated by commas. */
export const names = readBy((given) => given.split(',').map((name) => name.trim()))

export const numberOrNone = readBy((given, name) => (given === 'none' ? null : numberOf(given, name)))

export const textOrNone = readBy((given) => (given === 'none' ? null : given))

/**
 * One of the values known here. A newer server may allow more; a server refuses values that it does not know.
 */
export const choice = <const Value extends string, const Member extends string | undefined = undefined>(
  value: string,
  allowed: readonly Value[],
  about = '{}',
  more?: More<Member>,
): Option<Value | undefined, Member> => ({
  ...text(value, about.replace('{}', orList(allowed)), more),
  // Present for the type only.
  default: undefined,
})

export const orList = (all: readonly (string | number)[]): string =>
  all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`

export function numberOf(given: string, name: string): number {
  const value = Number(given)
  if (given.trim() === '' || !Number.isFinite(value))
    throw usageError(`${name} must be a number, not "${given}"`)
  return value
}

type Present<Value> = Exclude<Value, undefined>

export function required<Value, Member extends string | undefined>(
  option: Option<Value, Member>,
): Option<Present<Value>, Member> {
  const { default: _, ...rest } = option
  return { ...rest, isRequired: true }
}

export const withDefault = <Value, Member extends string | undefined>(
  option: Option<Value, Member>,
  standard: Present<Value>,
): Option<Present<Value>, Member> => ({ ...option, default: standard })

/** An option that may be repeated. */
export const repeated = <Value>({
  value,
  about,
  read,
}: Option<Value | undefined>): Option<readonly Value[]> => ({
  value,
  about,
  read,
  default: [],
  many: 'any',
})

export function argument(about: string): Option<string>
export function argument<Value>(about: string, read: (text: string, name: string) => Value): Option<Value>
export function argument(about: string, read: Option<unknown>['read'] = (given) => given): Option<unknown> {
  return { value: '', about, read }
}

export const optional = <Value>({ value, about, read }: Option<Value>): Option<Value | undefined> => ({
  value,
  about,
  read,
  many: 'optional',
})

/** An argument with at least one value; with `any`, also none. */
export const several = <Value>(
  { value, read }: Option<Value>,
  about: string,
  many: 'some' | 'any' = 'some',
): Option<readonly Value[]> => ({ value, about, read, many })

const separated = (name: string, by: string): string =>
  name.replace(/[A-Z]/g, (letter) => by + letter.toLowerCase())

/** `--max-cost` for `maxCost`. */
export const optionName = (name: string): string => `--${separated(name, '-')}`

export const memberName = (name: string, { member }: Option<unknown>): string =>
  member ?? separated(name, '_')

type Snake<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${Snake<Rest>}`
  : Name

type MemberOf<Name, One> =
  One extends Option<unknown, infer Member> ? (Member extends string ? Member : Snake<Name & string>) : never

export type MembersOf<All extends Options> = {
  [Name in keyof All as MemberOf<Name, All[Name]>]?: Present<ValueOf<All[Name]>>
}

/** The given options, under their names in the API. */
export const membersOf = <const All extends Options>(
  options: All,
  values: Partial<ValuesOf<All>>,
): MembersOf<All> =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- names are built as their type is
  Object.fromEntries(
    Object.entries(options).flatMap(([name, option]) =>
      values[name] === undefined || values[name] === false ? [] : [[memberName(name, option), values[name]]],
    ),
  ) as MembersOf<All>

type Given<Members> = { [Name in keyof Members]?: Present<Members[Name]> }

/** The members that are not undefined. */
export const given = <Members extends object>(members: Members): Given<Members> =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the filter leaves only defined members
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Given<Members>
