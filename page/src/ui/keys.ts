/** A key that does something while a part is shown, without a name in the palette: see `useCommands`. */
import { useCommands } from './commands.ts'

/** `key`: as `KeyboardEvent.key` says it; `mod`: with Ctrl, or with Command on a Mac. */
export function useKey(key: string, act: () => void, { mod = false }: { readonly mod?: boolean } = {}): void {
  useCommands([{ name: '', keys: mod ? `mod+${key}` : key, run: act, inDialogs: mod }])
}
