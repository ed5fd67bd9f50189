/** All keys that do something where the person is. */
import { useState } from 'react'
import { useWords } from '../words/words.tsx'
import { commandGroups, commandsNow, keysShown } from './commands.ts'
import { Button } from './button.tsx'
import { Sheet } from './sheet.tsx'

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
    <Sheet title={words.keyHelp.title} onClose={onClose}>
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
      <Button onClick={onClose}>{words.close}</Button>
    </Sheet>
  )
}
