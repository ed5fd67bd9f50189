/** Finds pages, jobs and commands by typing: Ctrl+K. */
import { Dialog } from '@base-ui/react/dialog'
import { type KeyboardEvent, useEffect, useId, useState } from 'react'
import { go } from '../router.tsx'
import { client } from '../server/client.ts'
import { useWords } from '../words/words.tsx'
import { useKey } from './keys.ts'

export interface Command {
  readonly name: string
  readonly run: () => void
}

/** Jobs whose film's name holds the text, or with this number. */
async function jobsFor(text: string, signal: AbortSignal): Promise<readonly Command[]> {
  if (text === '') return []
  const { jobs } = await client.listJobs({ q: text, limit: 8 }, { signal })
  const found = jobs.map(({ job_id, video_name }) => ({
    name: `#${job_id} ${video_name}`,
    run: () => go(`/jobs/${job_id}`),
  }))
  return /^#?\d+$/.test(text)
    ? [{ name: text.replace(/^#?/, '#'), run: () => go(`/jobs/${text.replace('#', '')}`) }, ...found]
    : found
}

export function Palette({ commands }: { readonly commands: readonly Command[] }) {
  const words = useWords()
  const list = useId()
  const [isOpen, setOpen] = useState(false)
  const [text, setText] = useState('')
  const [jobs, setJobs] = useState<readonly Command[]>([])
  const [active, setActive] = useState(0)
  useKey('k', () => setOpen(!isOpen), { mod: true })
  useEffect(() => {
    if (!isOpen) setText('')
  }, [isOpen])
  useEffect(() => {
    setActive(0)
    const ended = new AbortController()
    const timer = setTimeout(() => {
      jobsFor(text.trim(), ended.signal).then(setJobs, () => undefined)
    }, 120)
    return () => {
      clearTimeout(timer)
      ended.abort()
    }
  }, [text])
  const wanted = text.trim().toLowerCase()
  const shown = [...commands.filter(({ name }) => name.toLowerCase().includes(wanted)), ...jobs]
  const run = (command: Command | undefined): void => {
    if (!command) return
    setOpen(false)
    command.run()
  }
  const press = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step !== 0 && shown.length > 0) setActive((active + step + shown.length) % shown.length)
    else if (event.key === 'Enter') run(shown[active])
    else return
    event.preventDefault()
  }
  return (
    <Dialog.Root open={isOpen} onOpenChange={setOpen}>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="palette">
          <Dialog.Title className="unseen">{words.palette.title}</Dialog.Title>
          <input
            className="palette-input"
            role="combobox"
            aria-expanded="true"
            aria-controls={list}
            aria-activedescendant={shown[active] ? `${list}-${active}` : undefined}
            aria-label={words.palette.title}
            placeholder={words.palette.hint}
            autoFocus
            value={text}
            onChange={({ target }) => setText(target.value)}
            onKeyDown={press}
          />
          <ul id={list} role="listbox" aria-label={words.palette.title} className="palette-list">
            {shown.map((command, index) => (
              <li
                key={command.name}
                id={`${list}-${index}`}
                role="option"
                aria-selected={index === active}
                onPointerMove={() => setActive(index)}
                onClick={() => run(command)}
              >
                {command.name}
              </li>
            ))}
          </ul>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
