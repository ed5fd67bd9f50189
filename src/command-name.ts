/** The command's name as the user can type it, so that suggested commands work as shown. */
import { extname } from 'node:path'

/** `program`: the file that Node was started with; `module`: a module of this package. */
export function commandName(program: string, module: string): string {
  if (extname(module) === '.ts') return 'npm run coordinator --'
  const parts = program.split(/[\\/]/)
  // Started by npx without an installation: by the command's name npx would find another package.
  if (parts.includes('_npx')) return 'npx workflow-coordinator'
  const isCommand = /^(?:coordinator|cli\.js)$/.test(parts.at(-1)!)
  return isCommand && !parts.includes('.bin') ? 'coordinator' : 'npx coordinator'
}

const name = commandName(process.argv[1] ?? '', import.meta.filename)

/** For example `coordinator approve 1`, as the user has to type it. */
export const commandLine = (args: string): string => `${name} ${args}`
