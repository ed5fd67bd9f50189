/** The command for the nodes of an installation. */
import type { NodesAnswer } from '../client/client.ts'
import type { Command } from './command.ts'
import { remote } from './remote-command.ts'
import { tableLines } from './table.ts'
import { count, minuteOf, secondOf } from './words.ts'

export const nodes: Command = remote(
  {
    summary: 'show the nodes, since when they run, and what runs there',
    about: 'All servers that share a database. A node that died is listed for a day.',
  },
  ({ client }) => client.listNodes(),
  (answer, { room }) => nodeLines(answer, room),
)

const nodeColumns = [
  { head: 'NODE' },
  { head: 'ROLE' },
  { head: 'STATE' },
  { head: 'SINCE (UTC)' },
  { head: 'LAST HEARD' },
  { head: 'VERSION' },
  { head: 'ADDRESS' },
  { head: 'RUNS', isCut: true },
] as const

const nodeLines = (answer: NodesAnswer, room: number): string[] =>
  tableLines(
    nodeColumns,
    answer.nodes.map((node) => [
      node.name,
      node.role,
      stateOf(node),
      minuteOf(node.started_at),
      secondOf(node.heard_at),
      node.version,
      node.address ?? '',
      node.alive ? runningWords(node.running) : '',
    ]),
    room,
  )

type NodeAnswer = NodesAnswer['nodes'][number]

function stateOf({ alive, draining }: NodeAnswer): string {
  if (!alive) return 'dead'
  return draining ? 'draining' : 'alive'
}

function runningWords({ tasks, jobs }: NodeAnswer['running']): string {
  const kinds = Object.entries(tasks).map(([kind, many]) => `${many} ${kind}`)
  return kinds.length === 0
    ? 'nothing'
    : `${kinds.join(', ')} of ${count(jobs.length, 'job').replace(/^1 job$/, `job ${jobs[0]}`)}`
}
