/** The command as a person here can write it: what is suggested has to work where it is read. */
import { extname } from 'node:path'

/** `program`: the file that Node was started with; `module`: one of ours. */
export function commandName(program: string, module: string): string {
  if (extname(module) === '.ts') return 'npm run coordinator --'
  const parts = program.split(/[\\/]/)
  // The package is not installed there: by the command's name npx would look for another package.
  if (parts.includes('_npx')) return 'npx workflow-coordinator'
  const isCommand = /^(?:coordinator|cli\.js)$/.test(parts.at(-1)!)
  return isCommand && !parts.includes('.bin') ? 'coordinator' : 'npx coordinator'
}

const name = commandName(process.argv[1] ?? '', import.meta.filename)

/** `coordinator approve 1`, as it has to be written here. */
export const commandLine = (args: string): string => `${name} ${args}`
