/** Where it runs, who changed what, and what is stored. */
import type { ChangesAnswer, NodesAnswer } from '../server/client.ts'
import { Link } from '../router.tsx'
import { subjectOf } from '../ui/person.ts'
import { Bytes, Time } from '../ui/values.tsx'
import { type Words, useWords } from '../words/words.tsx'
import { Card, Folded, useDollars } from './card.tsx'
import type { Figures } from './sources.ts'

type Node = NodesAnswer['nodes'][number]

export function Nodes({ nodes }: Figures) {
  const words = useWords()
  return (
    <Card title={words.overview.nodes} live={nodes}>
      {({ nodes: all }) => (
        <ul className="lines">
          {all.map((node) => (
            <NodeLine key={node.id} node={node} />
          ))}
        </ul>
      )}
    </Card>
  )
}

/** Jobs that are named for each server. */
const mostNamed = 6

function NodeLine({ node }: { readonly node: Node }) {
  const words = useWords()
  const { name, role, version, alive, draining, heard_at: heardAt, slots, running } = node
  const known: Readonly<Record<string, string>> = words.overview.tasks
  const tasks = Object.entries(running.tasks).map(([task, count]) => `${count} ${known[task] ?? task}`)
  return (
    <li className="node">
      <div className="renderer-head">
        <strong>
          {name}{' '}
          {!alive && (
            <span className="badge" data-tone="bad">
              {words.overview.dead}
            </span>
          )}
          {draining && (
            <span className="badge" data-tone="warn">
              {words.overview.draining}
            </span>
          )}
        </strong>
        <span className="small quiet">
          {words.overview.heard} <Time at={heardAt} />
        </span>
      </div>
      <p className="small quiet">
        {[
          words.overview.roles[role],
          version,
          ...Object.entries(slots).map(([renderer, count]) => `${renderer}: ${count}`),
        ].join(' · ')}
      </p>
      <p className="small">
        {words.overview.runs}: {tasks.length === 0 ? words.overview.idle : tasks.join(', ')}
        {running.jobs.slice(0, mostNamed).map((job) => (
          <span key={job}>
            {' '}
            <Link to={`/jobs/${job}`}>#{job}</Link>
          </span>
        ))}
      </p>
    </li>
  )
}

type Change = ChangesAnswer['changes'][number]

function changeWords(change: Change, words: Words, money: (usd: number) => string): string {
  const { overview } = words
  const { kind, name } = change
  if (kind === 'pause') {
    const what = name === 'all' ? overview.allRendering : name.replace(/^renderer:/, '')
    return change.new === true ? overview.didPause(what) : overview.didResume(what)
  }
  const none = kind === 'budget' || name === 'jobs' ? overview.nothing : overview.theConfigured
  const value = (given: Change['old']): string =>
    typeof given !== 'number' ? none : kind === 'budget' ? money(given) : String(given)
  if (kind === 'budget')
    return overview.changeLine(overview.budgetName(name), value(change.old), value(change.new))
  const known: Readonly<Record<string, string>> = overview.changeNames
  const limit = name.slice(name.lastIndexOf('.') + 1)
  const renderer = name.slice(0, Math.max(0, name.lastIndexOf('.')))
  const title = [...(renderer === '' ? [] : [renderer]), known[limit] ?? limit].join(', ')
  return overview.changeLine(title, value(change.old), value(change.new))
}

export function Changes({ changes }: Figures) {
  const words = useWords()
  const money = useDollars()
  return (
    <Card title={words.overview.changes} live={changes}>
      {({ changes: all }) =>
        all.length === 0 ? (
          <p className="quiet">{words.overview.noChanges}</p>
        ) : (
          <Folded
            shown={5}
            items={all}
            line={(change) => (
              <li key={change.id} className="change">
                <p>
                  <strong>{subjectOf(change.by, words)}</strong> {changeWords(change, words, money)}
                </p>
                <p className="small quiet">
                  <Time at={change.at} />
                  {change.reason !== null && `: ${change.reason}`}
                </p>
              </li>
            )}
          />
        )
      }
    </Card>
  )
}

const storedKinds = ['films', 'clips', 'inputs', 'other'] as const

export function Storage({ storage }: Figures) {
  const words = useWords()
  return (
    <Card title={words.overview.storage} live={storage}>
      {({ stored, free_bytes: freeBytes }) => (
        <dl className="sums">
          {storedKinds.map((kind) => (
            <div key={kind} className="sums-pair">
              <dt>{words.overview.stored[kind]}</dt>
              <dd>
                <Bytes bytes={stored[kind].bytes} />
              </dd>
            </div>
          ))}
          <div className="sums-pair">
            <dt>{words.overview.free}</dt>
            <dd>
              <Bytes bytes={freeBytes} />
            </dd>
          </div>
        </dl>
      )}
    </Card>
  )
}
