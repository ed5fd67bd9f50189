#!/usr/bin/env node
/** The command line: makes a film by itself, or sends requests to a running server. */
import { asCommandError } from './cli/client.ts'
import { CommandError, usageError } from './cli/command-error.ts'
import type { Command } from './cli/command.ts'
import { commands } from './cli/commands.ts'
import { help } from './cli/help.ts'
import { oldNodeWords } from './cli/node-version.ts'
import { nearest, readOptions } from './cli/option.ts'
import { terminalOf } from './cli/progress.ts'
import { commandLine } from './command-name.ts'
import { printable, printableLines } from './printable.ts'
import { onStopRequest } from './stop.ts'

/** Resolves to the exit code. */
async function run([name = '', ...args]: readonly string[], env = process.env): Promise<number> {
  if (name === '' || name === 'help' || name === '--help' || name === '-h') {
    const [about = ''] = args
    if (!Object.hasOwn(help, about)) throw noCommand(about)
    process.stdout.write(`${asWritten(help[about]!)}\n`)
    return name === '' ? 2 : 0
  }
  if (name === 'version' || name === '--version' || name === '-v') {
    const { packageVersion } = await import('./http/openapi.ts')
    process.stdout.write(`${packageVersion()}\n`)
    return 0
  }
  const text = Object.hasOwn(help, name) ? help[name] : undefined
  if (text !== undefined && args.some((arg) => arg === '--help' || arg === '-h')) {
    process.stdout.write(`${asWritten(text)}\n`)
    return 0
  }
  const old = oldNodeWords(process.versions.node)
  // doctor reports the old version itself.
  if (old !== undefined && name !== 'doctor') throw new CommandError(old)
  if (name === 'serve') {
    const { positionals } = readOptions(name, args, {})
    if (positionals.length > 0)
      throw usageError(
        `serve takes no "${positionals[0]}": ${commandLine('serve --help')} lists its environment variables`,
      )
    // Imported late: the other commands do not need its modules. It handles signals and logs itself.
    const { serve } = await import('./main.ts')
    await serve(env).catch((error: unknown) => {
      // A port in use, a locked folder, a wrong variable: the message suffices, without a stack.
      const known = error instanceof Error && ('code' in error || error.name === 'ConfigError')
      throw known ? new CommandError(error.message, 1, { cause: error }) : error
    })
    return 0
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) throw noCommand(name)
  return runInterruptible(command, name, args, env)
}

/** A help text with the command's name as the user has to type it. */
const asWritten = (text: string): string => text.replaceAll(/\bcoordinator (?=[a-z<-])/g, commandLine(''))

function noCommand(name: string): CommandError {
  const meant = nearest(name, Object.keys(help))
  return usageError(
    `Unknown command "${name}". ${meant ? `Did you mean ${meant}?` : `${commandLine('--help')} lists them`}`,
  )
}

async function runInterruptible(
  command: Command,
  name: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const interrupted = new AbortController()
  let exitCode = 130
  // The reader or the terminal is gone: stop, so that no server and no folder are left behind.
  process.stdout.on('error', () => {
    exitCode = 141
    interrupted.abort()
  })
  const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, 'the end of the parent process': 143 } as const
  onStopRequest({
    signals: ['SIGINT', 'SIGTERM', 'SIGHUP'],
    env,
    onStop(cause) {
      exitCode = codes[cause]
      interrupted.abort()
    },
    onImpatience: (signal) => process.exit(codes[signal]),
  })
  try {
    await command.run({
      command: name,
      args,
      env,
      terminal: terminalOf(process.stdout, env),
      signal: interrupted.signal,
    })
    return 0
  } catch (error) {
    if (!interrupted.signal.aborted) throw error
    process.stderr.write('\nInterrupted\n')
    return exitCode
  }
}

// The reader of stderr is gone, so the error cannot be reported.
process.stderr.on('error', () => {})

try {
  process.exitCode = await run(process.argv.slice(2))
} catch (thrown) {
  const error = asCommandError(thrown)
  const known = error instanceof CommandError
  const words = known
    ? printable(error.message)
    : printableLines((error instanceof Error && error.stack) || String(error))
  process.stderr.write(`coordinator: ${words}\n`)
  process.exitCode = known ? error.exitCode : 1
}
