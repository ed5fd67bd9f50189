/** Commands that print events and a job's history. */
import { wordsFor } from '../coordinator/read/history.ts'
import type { EventType, EventsAnswer, HistoryAnswer } from '../client/client.ts'
import { type Client, clientFor } from './client.ts'
import { type Command, type CommandContext, command } from './command.ts'
import { flag, given, membersOf, number, optional, text } from './option.ts'
import { print, printJsonLine, printRefused } from './print.ts'
import { remote } from './remote-command.ts'
import { oneJob, remoteOptions } from './shared-options.ts'
import { tableLines } from './table.ts'
import { fitted, secondOf } from './words.ts'

const filters = {
  after: number('number', 'only events after this one'),
  types: text('names', 'only these types, with commas, such as job_completed', { member: 'type' }),
} as const

const pageSize = 500

type Event = EventsAnswer['events'][number]

export const events: Command = command(
  {
    summary: 'show what happens, or happened, to jobs',
    about: 'A line for each event; with --json, a JSON object.',
    args: { id: optional(oneJob) },
    options: {
      follow: flag(
        'continue as they happen: of a job from its first event to its end, of all jobs from now on until Ctrl-C. Reconnects by itself',
      ),
      ...filters,
      ...remoteOptions,
    },
  },
  async (context, { id, ...values }) => {
    const client = clientFor(values, context)
    const query = { ...given({ job_id: id }), ...membersOf(filters, values) }
    const write = (event: Event): void =>
      values.json ? printJsonLine(context, event) : print(context, eventLine(event))
    if (values.follow) return follow(client, query, write, context)
    for (let after = query.after ?? 0; ;) {
      const page = await client.listEvents({ ...query, after, limit: pageSize })
      if (page.reset) printRefused(missingWords(page.reset))
      for (const event of page.events) write(event)
      await drained(context)
      if (!page.more) return
      after = page.next_after
    }
  },
)

interface EventQuery {
  readonly job_id?: number
  readonly type?: string
  readonly after?: number
}

/**
 * Follows a job until it ends, or all jobs without an end. After a lost connection, missed events are fetched
 * again.
 */
async function follow(
  client: Client,
  query: EventQuery,
  write: (event: Event) => void,
  context: CommandContext,
): Promise<void> {
  // Fails at once if the query is wrong or no server answers.
  await client.listEvents({ ...query, limit: 1 })
  const { job_id, type, after } = query
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server accepted them above
  const types = type?.split(',') as EventType[] | undefined
  const following = {
    signal: context.signal,
    onReset: (reset: { readonly oldest: number }) => printRefused(missingWords(reset)),
    ...given({ after }),
  }
  const live =
    job_id === undefined
      ? client.events({ ...following, ...given({ types }) })
      : client.watchJob(job_id, following)
  for await (const event of live) {
    if (types === undefined || types.includes(event.type)) write(event)
    await drained(context)
  }
}

const missingWords = ({ oldest }: { readonly oldest: number }): string =>
  `Events before ${oldest} are not kept: some may be missing`

/** Waits for a slow reader: the event log may be larger than memory. */
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

/**
 * `scene 2 “Kitchen” completed` for `scene completed`, by the scene's name at that time. Events of earlier
 * versions have only its id.
 */
function withName(
  what: string,
  { scene_id, data }: Pick<HistoryAnswer['entries'][number], 'scene_id' | 'data'>,
) {
  if (scene_id === undefined) return what
  const { position, title } = data
  const scene = typeof position === 'number' ? String(position + 1) : scene_id
  const name = typeof title === 'string' ? `${scene} “${fitted(title, titleColumns).trimEnd()}”` : scene
  return what.replace(/^scene\b/, () => `scene ${name}`)
}

function eventLine(event: Event): string {
  const what = withName(wordsFor(event), event)
  const by = event.by === undefined ? '' : ` (by ${event.by})`
  return `${String(event.id).padStart(6)}  ${secondOf(event.inserted_at)}  job ${fitted(String(event.job_id), 5)}  ${what}${by}`
}

const historyColumns = [{ head: 'WHEN (UTC)' }, { head: 'WHO' }, { head: 'WHAT' }] as const

export const history: Command = remote(
  {
    summary: 'show what happened to a job, who did it and why',
    about: 'Times are in UTC.',
    args: { id: oneJob },
  },
  async ({ client }, { id }) => {
    const entries: HistoryAnswer['entries'] = []
    for (let after: number | null = 0; after !== null;) {
      const page: HistoryAnswer = await client.readHistory(id, { after, limit: pageSize })
      entries.push(...page.entries)
      after = page.next_after
    }
    return { job_id: id, entries, next_after: null }
  },
  ({ entries }, { room }) => {
    const rows = entries.map((entry) => [secondOf(entry.at), entry.by, whatAndWhy(entry)])
    return tableLines(historyColumns, rows, room)
  },
)

function whatAndWhy(entry: HistoryAnswer['entries'][number]): string {
  const { what, reason } = entry
  const named = withName(what, entry)
  return reason === undefined || named.includes(reason) ? named : `${named}: ${reason}`
}
