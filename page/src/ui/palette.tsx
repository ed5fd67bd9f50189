/** Finds pages, jobs and commands by typing. */
import { Dialog } from '@base-ui/react/dialog'
import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from 'react'
import { go } from '../router.tsx'
import { type JobsAnswer, client } from '../server/client.ts'
import { type Words, useWords } from '../words/words.tsx'
import { type Command, commandGroups, commandsNow } from './commands.ts'
import { KeysShown } from './key-help.tsx'

interface Entry extends Pick<Command, 'name' | 'run' | 'keys'> {
  readonly id: string
  readonly about?: string | undefined
}

interface Group {
  readonly name: string
  readonly entries: readonly Entry[]
}

type Job = Pick<JobsAnswer['jobs'][number], 'job_id' | 'video_name' | 'client_id' | 'status'>

const mostJobs = 8
/** After the last key press. */
const searchMs = 120

/** Jobs whose film's name holds the text, of the client with this name, or with this number. */
async function jobsFor(text: string, signal: AbortSignal): Promise<readonly Job[]> {
  if (text === '') return []
  const number = /^#?(\d{1,15})$/.exec(text)?.[1]
  const answers = await Promise.allSettled([
    ...(number === undefined ? [] : [client.readJob(Number(number), { signal }).then((job) => [job])]),
    client.listJobs({ q: text, limit: mostJobs }, { signal }).then(({ jobs }) => jobs),
    client.listJobs({ client_id: text, limit: mostJobs }, { signal }).then(({ jobs }) => jobs),
  ])
  const found = answers.flatMap((answer): readonly Job[] =>
    answer.status === 'fulfilled' ? answer.value : [],
  )
  return [...new Map(found.map((job) => [job.job_id, job])).values()].slice(0, mostJobs)
}

const entryOf = (job: Job, words: Words): Entry => ({
  id: `job ${job.job_id}`,
  name: `#${job.job_id} ${job.video_name}`,
  about: [job.client_id, words.status[job.status]].filter((text) => text !== null).join(' · '),
  run: () => go(`/jobs/${job.job_id}`),
})

export function Palette({ onClose }: { readonly onClose: () => void }) {
  const words = useWords()
  const [commands] = useState(() => commandsNow().filter(({ name, keys }) => name !== '' && keys !== 'mod+k'))
  const [text, setText] = useState('')
  const [jobs, setJobs] = useState<readonly Job[]>([])
  useEffect(() => {
    const ended = new AbortController()
    const timer = setTimeout(() => {
      void jobsFor(text.trim(), ended.signal).then((found) => ended.signal.aborted || setJobs(found))
    }, searchMs)
    return () => {
      clearTimeout(timer)
      ended.abort()
    }
  }, [text])
  const groups = useMemo<readonly Group[]>(() => {
    const wanted = text.trim().toLowerCase()
    const matching = commands.filter(({ name }) => name.toLowerCase().includes(wanted))
    return [
      ...commandGroups.map((group) => ({
        name: words.palette.groups[group],
        entries: matching
          .filter((command) => (command.group ?? 'here') === group)
          .map((command) => ({ ...command, id: `${group} ${command.name}` })),
      })),
      { name: words.nav.jobs, entries: jobs.map((job) => entryOf(job, words)) },
    ].filter(({ entries }) => entries.length > 0)
  }, [commands, jobs, text, words])
  return (
    <Dialog.Root open onOpenChange={(isOpen) => isOpen || onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="palette">
          <Dialog.Title className="unseen">{words.palette.title}</Dialog.Title>
          <Choice groups={groups} text={text} onText={setText} onClose={onClose} />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}

interface ChoiceProps {
  readonly groups: readonly Group[]
  readonly text: string
  readonly onText: (text: string) => void
  readonly onClose: () => void
}

function Choice({ groups, text, onText, onClose }: ChoiceProps) {
  const words = useWords()
  const list = useId()
  const shown = groups.flatMap(({ entries }) => entries)
  const [wanted, setWanted] = useState<string>()
  const active = shown.find(({ id }) => id === wanted) ?? shown[0]
  const idOf = ({ id }: Entry): string => `${list}-${id.replaceAll(/\W+/g, '-')}`
  const run = (entry: Entry | undefined): void => {
    if (!entry) return
    onClose()
    entry.run()
  }
  const activeItem = useRef<HTMLLIElement>(null)
  const activeId = active?.id
  useEffect(() => {
    activeItem.current?.scrollIntoView({ block: 'nearest' })
  }, [activeId])
  const press = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key] ?? 0
    const index = active ? shown.indexOf(active) : -1
    if (step !== 0) setWanted(shown.at((index + step) % shown.length)?.id)
    else if (event.key === 'Enter') run(active)
    else return
    event.preventDefault()
  }
  return (
    <>
      <input
        className="palette-input"
        role="combobox"
        aria-expanded="true"
        aria-autocomplete="list"
        aria-controls={list}
        aria-activedescendant={active && idOf(active)}
        aria-label={words.palette.title}
        placeholder={words.palette.hint}
        autoFocus
        value={text}
        onChange={({ target }) => {
          onText(target.value)
          setWanted(undefined)
        }}
        onKeyDown={press}
      />
      <div id={list} role="listbox" aria-label={words.palette.title} className="palette-list">
        {groups.map((group) => (
          <ul key={group.name} role="group" aria-label={group.name}>
            <li role="presentation" className="palette-group small quiet">
              {group.name}
            </li>
            {group.entries.map((entry) => (
              <li
                key={entry.id}
                ref={entry === active ? activeItem : undefined}
                id={idOf(entry)}
                role="option"
                className="palette-entry"
                aria-selected={entry === active}
                onPointerMove={() => setWanted(entry.id)}
                onClick={() => run(entry)}
              >
                <span>{entry.name}</span>
                {entry.about !== undefined && <span className="small quiet">{entry.about}</span>}
                {entry.keys !== undefined && <KeysShown keys={entry.keys} />}
              </li>
            ))}
          </ul>
        ))}
      </div>
      <p className="palette-none quiet" role="status">
        {shown.length === 0 && words.palette.nothing}
      </p>
    </>
  )
}
