/** The commands that tell what happens, and what happened. */
import { wordsFor } from '../coordinator/read/history.ts'
import type { EventType, EventsAnswer, HistoryAnswer } from '../client/client.ts'
import {
  clientFor,
  jobIdOf,
  oneId,
  print,
  printJson,
  printJsonLine,
  printRefused,
  remoteOptions,
} from './asking.ts'
import type { Client } from './client.ts'
import { usageError } from './command-error.ts'
import { type Command, type CommandContext, command } from './command.ts'
import { given, numberOf } from './option.ts'
import { roomOf, tableLines } from './table.ts'
import { fitted, secondOf } from './words.ts'

const eventOptions = {
  ...remoteOptions,
  after: { type: 'string' },
  types: { type: 'string' },
  follow: { type: 'boolean', default: false },
} as const

const pageSize = 500

type Told = EventsAnswer['events'][number]

export const events: Command = command(eventOptions, async (context, { values, positionals }) => {
  if (positionals.length > 1) throw usageError("events takes one job's id, or none")
  const jobId = positionals[0] === undefined ? undefined : jobIdOf(positionals[0])
  const client = clientFor(values, context)
  const query = given({ job_id: jobId, type: values.types, after: numberOf('after', values.after) })
  const tell = (event: Told): void =>
    values.json ? printJsonLine(context, event) : print(context, eventLine(event))
  if (values.follow) return follow(client, query, tell, context)
  for (let after = query.after ?? 0; ;) {
    const page = await client.listEvents({ ...query, after, limit: pageSize })
    if (page.reset) printRefused(missingWords(page.reset))
    for (const event of page.events) tell(event)
    await drained(context)
    if (!page.more) return
    after = page.next_after
  }
})

interface EventQuery {
  readonly job_id?: number
  readonly type?: string
  readonly after?: number
}

/** Until the job has ended; of all jobs without an end. What is lost on the way is asked for again. */
async function follow(
  client: Client,
  query: EventQuery,
  tell: (event: Told) => void,
  context: CommandContext,
): Promise<void> {
  // Whatever is wrong with the question is told at once, and nobody waits for a server that isn't there.
  await client.listEvents({ ...query, limit: 1 })
  const { job_id, type, after } = query
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- they were just taken
  const types = type?.split(',') as EventType[] | undefined
  const following = {
    signal: context.signal,
    onReset: (reset: { readonly oldest: number }) => printRefused(missingWords(reset)),
    ...given({ after }),
  }
  const told =
    job_id === undefined
      ? client.events({ ...following, ...given({ types }) })
      : client.watchJob(job_id, following)
  for await (const event of told) {
    if (types === undefined || types.includes(event.type)) tell(event)
    await drained(context)
  }
}

const missingWords = ({ oldest }: { readonly oldest: number }): string =>
  `Events before ${oldest} are not kept: some may be missing`

/** Whoever reads slowly is waited for: a log may be longer than memory. */
async function drained({ terminal: { out }, signal }: CommandContext): Promise<void> {
  signal.throwIfAborted()
  if (out.writableNeedDrain)
    await new Promise<void>((resolve) => {
      out.once('drain', resolve)
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  signal.throwIfAborted()
}

const titleColumns = 28

/** `scene 2 “Kitchen” completed` for `scene completed`: as it was called then. Events of earlier versions tell its id alone. */
function withName(
  what: string,
  { scene_id, data }: Pick<HistoryAnswer['entries'][number], 'scene_id' | 'data'>,
) {
  if (scene_id === undefined) return what
  const { position, title } = data
  const number = typeof position === 'number' ? String(position + 1) : scene_id
  const name = typeof title === 'string' ? `${number} “${fitted(title, titleColumns).trimEnd()}”` : number
  return what.replace(/^scene\b/, () => `scene ${name}`)
}

function eventLine(event: Told): string {
  const what = withName(wordsFor(event), event)
  const by = event.by === undefined ? '' : ` (by ${event.by})`
  return `${String(event.id).padStart(6)}  ${secondOf(event.inserted_at)}  job ${fitted(String(event.job_id), 5)}  ${what}${by}`
}

const historyColumns = [{ head: 'WHEN (UTC)' }, { head: 'WHO' }, { head: 'WHAT' }] as const

export const history: Command = command(remoteOptions, async (context, { values, positionals }) => {
  const id = oneId(positionals, 'history')
  const client = clientFor(values, context)
  const entries: HistoryAnswer['entries'] = []
  for (let after: number | null = 0; after !== null;) {
    const page: HistoryAnswer = await client.readHistory(id, { after, limit: pageSize })
    entries.push(...page.entries)
    after = page.next_after
  }
  if (values.json) return printJson(context, { job_id: id, entries, next_after: null })
  const rows = entries.map((entry) => [secondOf(entry.at), entry.by, whatAndWhy(entry)])
  print(context, ...tableLines(historyColumns, rows, roomOf(context.terminal)))
})

function whatAndWhy(entry: HistoryAnswer['entries'][number]): string {
  const { what, reason } = entry
  const named = withName(what, entry)
  return reason === undefined || named.includes(reason) ? named : `${named}: ${reason}`
}
