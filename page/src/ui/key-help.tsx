/** All keys that do something where the person is. */
import { Dialog } from '@base-ui/react/dialog'
import { useState } from 'react'
import { useWords } from '../words/words.tsx'
import { commandGroups, commandsNow, keysShown } from './commands.ts'
import { Button } from './button.tsx'

export const KeysShown = ({ keys }: { readonly keys: string }) => (
  <span className="keys">
    {keysShown(keys).map((key, index) => (
      <kbd key={`${index}${key}`}>{key}</kbd>
    ))}
  </span>
)

export function KeyHelp({ onClose }: { readonly onClose: () => void }) {
  const words = useWords()
  const [commands] = useState(() =>
    commandsNow().filter(({ name, keys }) => name !== '' && keys !== undefined),
  )
  return (
    <Dialog.Root open onOpenChange={(isOpen) => isOpen || onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="dialog">
          <Dialog.Title className="dialog-title">{words.keyHelp.title}</Dialog.Title>
          {commandGroups.map((group) => {
            const shown = commands.filter((command) => (command.group ?? 'here') === group)
            return (
              shown.length > 0 && (
                <section key={group} className="key-group">
                  <h3>{words.palette.groups[group]}</h3>
                  <dl>
                    {shown.map(({ name, keys = '' }) => (
                      <div key={name}>
                        <dt>{name}</dt>
                        <dd>
                          <KeysShown keys={keys} />
                        </dd>
                      </div>
                    ))}
                  </dl>
                </section>
              )
            )
          })}
          <Dialog.Close render={<Button />}>{words.close}</Dialog.Close>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
