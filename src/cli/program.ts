/** Builds Commander's parsers from the declarations: they parse the command line and write the help. */
import { Argument, type CommanderError, Help, Option as ParserOption, Command as Parser } from 'commander'
import { commandLine } from '../command-name.ts'
import { changesBetween } from '../job/nearest.ts'
import { type CommandError, usageError } from './command-error.ts'
import type { Command } from './command.ts'
import { type Option, type Options, optionName, orList } from './option.ts'

export interface Chosen {
  readonly command: Command
  readonly values: Readonly<Record<string, unknown>>
}

/**
 * Parses the command line; undefined where it asks for help, which is then written.
 * @throws {CommandError} on a usage error
 */
export function readCommandLine(
  root: Command,
  [name = '', ...more]: readonly string[],
  write: (help: string) => void,
): Chosen | undefined {
  if (name === 'help') return readCommandLine(root, [...more, '--help'], write)
  if (!['-h', '--help'].includes(name) && !Object.hasOwn(root.verbs!, name)) throw noCommand(name, root)
  let chosen: Chosen | undefined
  try {
    parserOf('', root, { write, choose: (one) => (chosen = one) }).parse(
      [name, ...arranged(root.verbs![name], more)],
      { from: 'user' },
    )
  } catch (error) {
    if (!(error instanceof HelpWritten)) throw error
  }
  return chosen
}

class HelpWritten extends Error {}

/**
 * Commander takes any next word for an option's value, and options before a verb for the group's: here a value that begins
 * with a dash needs `=`, and the verb is moved to the front.
 */
function arranged(command: Command | undefined, words: readonly string[]): readonly string[] {
  if (!command) return words
  const { verbs = {}, options } = command
  const all: Options = Object.assign({}, ...Object.values(verbs).map((verb) => verb.options), options)
  const valued = new Set(
    Object.entries(all).flatMap(([name, { value }]) => (value === '' ? [] : [optionName(name)])),
  )
  let verbAt: number | undefined
  for (let at = 0; at < words.length && words[at] !== '--'; at++) {
    const word = words[at]!
    if (!word.startsWith('-')) verbAt ??= at
    else if (valued.has(word) && /^-./.test(words[++at] ?? ''))
      throw usageError(`Option '${word}' argument missing`)
  }
  const verb = verbAt === undefined ? undefined : words[verbAt]!
  return verb !== undefined && Object.hasOwn(verbs, verb) ? [verb, ...words.toSpliced(verbAt!, 1)] : words
}

function noCommand(name: string, { verbs = {} }: Command): CommandError {
  const meant = nearest(name, Object.keys(verbs))
  return usageError(
    `Unknown command "${name}". ${meant ? `Did you mean ${meant}?` : `${commandLine('--help')} lists them`}`,
  )
}

/** The name that was probably meant: it starts with the given text, or differs by at most two letters. */
export function nearest(given: string, names: readonly string[]): string | undefined {
  const begun = names.filter((name) => given.length > 1 && name.startsWith(given))
  if (begun.length === 1) return begun[0]
  const most = given.length > 3 ? 2 : 1
  return names
    .map((name) => ({ name, changes: changesBetween(given, name) }))
    .filter(({ changes }) => changes <= most)
    .toSorted((a, b) => a.changes - b.changes)[0]?.name
}

interface Results {
  readonly write: (help: string) => void
  readonly choose: (chosen: Chosen) => void
}

/** `path`: the command's names, such as `keys create`; empty for the program itself. */
function parserOf(path: string, command: Command, results: Results): Parser {
  const { summary, about = '', args = {}, options, verbs = {}, run } = command
  const parser = new Parser(path === '' ? commandLine('').trim() : path.split(' ').at(-1))
    .summary(summary)
    .description(`${summary[0]!.toUpperCase()}${summary.slice(1)}.${about && ` ${about}`}`)
    .usage(usageOf(command))
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .enablePositionalOptions()
    .configureOutput({ writeOut: results.write, outputError() {} })
    .configureHelp(helpOf(command))
    .exitOverride((error) => {
      throw error.code === 'commander.helpDisplayed'
        ? new HelpWritten()
        : usageErrorOf(error, path, command, parser)
    })
  for (const [name, argument] of Object.entries(args)) parser.addArgument(argumentOf(name, argument))
  for (const [name, option] of Object.entries(options)) parser.addOption(optionOf(name, option, parser))
  for (const [name, verb] of Object.entries(verbs)) {
    const child = parserOf(`${path} ${name}`.trim(), verb, results)
    parser.addCommand(child.helpGroup(command.headings?.[name] ?? 'Commands:'))
  }
  if (path === '') return parser
  return run === undefined
    ? parser
        .allowUnknownOption()
        .allowExcessArguments()
        .action(() => {
          const all = Object.keys(verbs)
          throw usageError(`${path} needs ${all.length > 1 ? 'one of ' : ''}${orList(all)}`)
        })
    : parser.action(() => results.choose({ command, values: valuesOf(command, parser) }))
}

const collects = ({ many }: Option<unknown>): boolean => many === 'some' || many === 'any'

function argumentTerm(name: string, argument: Option<unknown>): string {
  const words = optionName(name).slice(2) + (collects(argument) ? '...' : '')
  return argument.many === undefined || argument.many === 'some' ? `<${words}>` : `[${words}]`
}

const argumentOf = (name: string, argument: Option<unknown>): Argument =>
  new Argument(argumentTerm(name, argument), argument.about).argParser((text, before: unknown) =>
    collected(argument.read(text, `<${name}>`), before),
  )

function optionOf(name: string, option: Option<unknown>, parser: Parser): ParserOption {
  const long = optionName(name)
  if (option.value === '') return new ParserOption(long, option.about)
  const flags = `${long} <${option.value}>`
  const made = new ParserOption(flags, `${option.about}${option.isRequired ? ' (required)' : ''}`)
  if (option.default !== undefined && !collects(option))
    made.default(option.default, JSON.stringify(option.default).replaceAll('"', ''))
  return made.makeOptionMandatory(option.isRequired ?? false).argParser((text, before: unknown) => {
    // Commander accepts any next word as the value, even another option.
    if (parser.options.some((other) => other.long === text))
      throw usageError(`Option '${flags}' argument missing`)
    return collected(option.read(text, long), before)
  })
}

/** Collects all values, also for arguments that allow one: Commander itself turns null into an empty text. */
const collected = (value: unknown, before: unknown): unknown[] => [
  ...(Array.isArray(before) ? before : []),
  value,
]

const valueOf = (option: Option<unknown>, all: unknown): unknown =>
  Array.isArray(all) ? (collects(option) ? all : all.at(-1)) : (all ?? option.default)

const valuesOf = ({ args = {}, options }: Command, parser: Parser): Chosen['values'] =>
  Object.fromEntries([
    ...Object.entries(options).map(([name, option]) => [name, valueOf(option, parser.opts()[name])]),
    ...Object.entries(args).map(([name, one], index) => [name, valueOf(one, parser.processedArgs[index])]),
  ])

const usageOf = ({ args = {}, verbs, run }: Command): string =>
  [
    ...(verbs ? [run ? '[command]' : '<command>'] : []),
    ...Object.entries(args).map(([name, argument]) => argumentTerm(name, argument)),
    '[options]',
  ].join(' ')

/** One line that says what is wrong and what to do. */
function usageErrorOf(error: CommanderError, path: string, command: Command, parser: Parser): CommandError {
  const { args = {}, options } = command
  const lists = `${commandLine(`${path} --help`.trim())} lists what it takes`
  const needed = [
    ...Object.values(args)
      .filter(({ many }) => many === undefined || many === 'some')
      .map(({ about }) => about),
    ...Object.entries(options)
      .filter(([, { isRequired }]) => isRequired)
      .map(([name]) => optionName(name)),
  ]
  const [, name = ''] = /'(--?[^'=]+)/.exec(error.message) ?? []
  const meant = nearest(
    name.slice(2),
    parser.options.map((option) => option.name()),
  )
  switch (error.code) {
    case 'commander.missingArgument':
    case 'commander.missingMandatoryOptionValue':
      return usageError(`${path} needs ${needed.join(' and ')}`)
    case 'commander.excessArguments':
      return usageError(`${path} takes no "${parser.args[Object.keys(args).length]}": ${lists}`)
    case 'commander.unknownOption':
      return usageError(`Unknown option '${name}'. ${meant ? `Did you mean --${meant}?` : lists}`)
    default:
      return usageError(error.message.replace(/^error: o/, 'O'))
  }
}

/**
 * Commander's help, 80 columns wide, without `[options]` beside each command, with the command's lists and
 * examples.
 */
const helpOf = ({ lists = {}, examples = {} }: Command): Partial<Help> => ({
  helpWidth: 80,
  subcommandTerm: (parser) => `${parser.name()} ${parser.usage().replace(/ ?\[options\]$/, '')}`.trim(),
  formatHelp(parser, helper) {
    const sections = Object.entries(lists).map(([heading, words]) => {
      const termWidth = Math.max(...Object.keys(words).map((term) => term.length))
      const items = Object.entries(words).map(([term, about]) =>
        helper.formatItem(term, termWidth, about, helper),
      )
      return `\n${helper.formatItemList(heading, items, helper).join('\n')}`
    })
    const lines = Object.entries(examples).map(([args, about]) => `  ${commandLine(args)}\n      ${about}`)
    if (lines.length > 0) sections.push(`\nExamples:\n${lines.join('\n')}\n`)
    return Help.prototype.formatHelp.call(helper, parser, helper) + sections.join('')
  },
})
