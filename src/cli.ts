#!/usr/bin/env node
/** The command: a film with nothing else needed, or the wishes of a person told to a running server. */
import { CommandError } from './cli/command-error.ts'
import { type CommandContext, renderFilm } from './cli/film.ts'
import { help } from './cli/help.ts'
import { budgets, estimate, ledger } from './cli/money.ts'
import { terminalOf } from './cli/progress.ts'
import { approve, cancel, download, list, regenerate, show, submit, watch } from './cli/remote.ts'

const commands: Readonly<Record<string, (context: CommandContext) => Promise<void>>> = {
  demo: (context) => renderFilm(context, 'demo'),
  render: (context) => renderFilm(context, 'render'),
  estimate,
  submit,
  approve,
  show,
  list,
  watch,
  cancel,
  regenerate,
  download,
  ledger,
  budgets,
}

/** npm only warns of an older one, which would fail somewhere inside and in words of its own. */
const oldestNode = { major: 24, minor: 2 }

/** Resolves to the exit code. */
async function run([name = '', ...args]: readonly string[], env = process.env): Promise<number> {
  if (name === '' || name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(`${help[args[0] ?? ''] ?? help['']}\n`)
    return name === '' ? 2 : 0
  }
  const text = Object.hasOwn(help, name) ? help[name] : undefined
  if (text !== undefined && args.some((arg) => arg === '--help' || arg === '-h')) {
    process.stdout.write(`${text}\n`)
    return 0
  }
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < oldestNode.major || (major === oldestNode.major && minor < oldestNode.minor))
    throw new CommandError(
      `Node ${oldestNode.major}.${oldestNode.minor} or newer is needed, and this is ${process.versions.node}`,
    )
  if (name === 'serve') {
    // It has signals and a log of its own; the other commands do without what it loads.
    const { serve } = await import('./main.ts')
    await serve(env).catch((error: unknown) => {
      // A port that is taken, a folder that is held, a variable that is wrong: the message says it all.
      const known = error instanceof Error && ('code' in error || error.name === 'ConfigError')
      throw known ? new CommandError(error.message, 1, { cause: error }) : error
    })
    return 0
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) throw new CommandError(`There is no command "${name}". coordinator --help lists them`, 2)
  return runInterruptible(command, args, env)
}

async function runInterruptible(
  command: (context: CommandContext) => Promise<void>,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const interrupted = new AbortController()
  let exitCode = 130
  // The reader is gone, or the terminal: no reason to leave a server and a folder behind.
  process.stdout.on('error', () => {
    exitCode = 141
    interrupted.abort()
  })
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)
    process.once(signal, () => {
      exitCode = code
      interrupted.abort()
      // Whoever asks twice doesn't want to wait for the cleaning up.
      process.once(signal, () => process.exit(code))
    })
  try {
    await command({ args, env, terminal: terminalOf(process.stdout, env), signal: interrupted.signal })
    return 0
  } catch (error) {
    if (!interrupted.signal.aborted) throw error
    process.stderr.write('\nInterrupted\n')
    return exitCode
  }
}

// Whoever read us is gone; there is nobody to tell.
process.stderr.on('error', () => {})

try {
  process.exitCode = await run(process.argv.slice(2))
} catch (error) {
  const known = error instanceof CommandError
  process.stderr.write(
    `coordinator: ${known ? error.message : (error instanceof Error && error.stack) || String(error)}\n`,
  )
  process.exitCode = known ? error.exitCode : 1
}
