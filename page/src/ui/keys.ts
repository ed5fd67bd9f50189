/** A key that does something while a part is shown: see `useCommands`. */
import { useCommands } from './commands.ts'

/** `key`: as `KeyboardEvent.key` says it. */
export function useKey(key: string, name: string, run: () => void): void {
  useCommands([{ name, keys: key, run }])
}
