#!/usr/bin/env node
/** The command line: makes films of photographs on this machine, and controls a running server. */
import { asCommandError } from './cli/client.ts'
import { CommandError } from './cli/command-error.ts'
import { program } from './cli/commands.ts'
import { doctor } from './cli/doctor.ts'
import { oldNodeWords } from './cli/node-version.ts'
import { readCommandLine } from './cli/program.ts'
import { terminalOf } from './cli/progress.ts'
import { serve } from './cli/serve.ts'
import { packageVersion } from './package-version.ts'
import { printable, printableLines } from './printable.ts'
import { onStopRequest } from './stop.ts'

/** Resolves to the exit code. */
async function run(args: readonly string[], env = process.env): Promise<number> {
  const [name] = args
  if (name === 'version' || name === '--version' || name === '-v') {
    process.stdout.write(`${packageVersion()}\n`)
    return 0
  }
  const chosen = readCommandLine(program, name === undefined ? ['--help'] : args, (text) =>
    process.stdout.write(text),
  )
  if (!chosen) return name === undefined ? 2 : 0
  const old = oldNodeWords(process.versions.node)
  // `doctor` reports an old Node among its findings.
  if (old !== undefined && chosen.command !== doctor) throw new CommandError(old)
  const { command, values } = chosen
  const interrupted = new AbortController()
  const context = { env, terminal: terminalOf(process.stdout, env), signal: interrupted.signal }
  const work = (): Promise<void> => command.run!(context, values)
  if (command !== serve) return runInterruptible(work, interrupted, env)
  await work()
  return 0
}

/** Runs a command until it ends or a signal stops it. Resolves to the exit code. */
async function runInterruptible(
  work: () => Promise<void>,
  interrupted: AbortController,
  env: NodeJS.ProcessEnv,
): Promise<number> {
  let exitCode = 130
  // The reader or the terminal is gone: stop, so that no server or folder is left behind.
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
    await work()
    return 0
  } catch (error) {
    if (!interrupted.signal.aborted) throw error
    process.stderr.write('\nInterrupted\n')
    return exitCode
  }
}

// The reader of stderr is gone: an unhandled error event would crash the process.
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
