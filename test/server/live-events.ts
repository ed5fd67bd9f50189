/** Many clients follow one server's live events, and some of them stall: what that costs, and whether all hear all. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { together } from '../../bench/harness.ts'
import { type LiveClient, followEvents } from './live-client.ts'
import { type Order, type State, eventsOfAJob } from './live-server.ts'

export interface LiveFigures {
  readonly before: State
  /** With all connected, and nothing told yet. */
  readonly idle: State
  /** After events that came one by one. */
  readonly calm: State
  /** After as many as the server could work at once. */
  readonly flood: State
  /** After all but the stalled have heard all. */
  readonly caughtUp: State
  /** After the stalled were dropped. */
  readonly dropped: State
  /** From the time in the log until it was heard, ms. */
  readonly calmLatencies: readonly number[]
  readonly floodLatencies: readonly number[]
  readonly calmEvents: number
  readonly floodEvents: number
  readonly floodMs: number
  readonly heardMs: number
  /** All events that were told. */
  readonly events: number
  /** How many each client heard; one that stalled before and after it came back. */
  readonly heard: readonly number[]
  /** Ids that were not the one after the last. */
  readonly faults: number
}

export async function runLiveEvents(options: {
  readonly clients: number
  readonly stalled: number
  readonly calmJobs: number
  readonly floodJobs: number
}): Promise<LiveFigures> {
  const program = new URL('live-server.ts', import.meta.url).pathname
  const child = fork(program, { execArgv: ['--expose-gc'] })
  const [{ url }] = (await once(child, 'message')) as [{ url: string }]
  try {
    return await run(child, url, options)
  } finally {
    child.disconnect()
    await once(child, 'exit')
  }
}

async function run(
  child: ChildProcess,
  url: string,
  { clients: count, stalled: stalledCount, calmJobs, floodJobs }: Parameters<typeof runLiveEvents>[0],
): Promise<LiveFigures> {
  const order = async (given: Order): Promise<State> => {
    child.send(given)
    const [state] = (await once(child, 'message')) as [State]
    return state
  }
  await order({ jobs: 50 })
  const before = await order({ jobs: 0 })
  const clients: LiveClient[] = []
  await together(count, 50, async (index) => {
    clients.push(await followEvents(url, { isTimed: index % 20 === 19 }))
  })
  const stalled = clients.slice(0, stalledCount)
  const healthy = clients.slice(stalledCount)
  for (const client of stalled) client.stall()
  const idle = await order({ jobs: 0 })

  const calm = await order({ jobs: calmJobs, everyMs: 100 })
  let events = calmJobs * eventsOfAJob
  await heardAll(healthy, events)
  const calmLatencies = healthy.flatMap((client) => client.takeLatencies())

  const begun = performance.now()
  const flood = await order({ jobs: floodJobs })
  const floodMs = performance.now() - begun
  events += floodJobs * eventsOfAJob
  await heardAll(healthy, events)
  const heardMs = performance.now() - begun
  const floodLatencies = healthy.flatMap((client) => client.takeLatencies())
  const caughtUp = await order({ jobs: 0 })

  // The kernel may still have room for what they don't take.
  let dropped = caughtUp
  while (dropped.readers > healthy.length) {
    dropped = await order({ jobs: 50 })
    events += 50 * eventsOfAJob
    await setTimeout(200)
  }
  await heardAll(healthy, events)
  const resumed = await Promise.all(
    stalled.map(async (client) => {
      // It reads what is left in its socket, sees the end, and comes back.
      client.goOn()
      while (!client.isOver) await setTimeout(20)
      return followEvents(url, { after: client.lastId })
    }),
  )
  while (resumed.some(({ heard }, index) => heard + stalled[index]!.heard < events)) await setTimeout(20)

  const all = [...clients, ...resumed]
  for (const client of all) client.leave()
  return {
    before,
    idle,
    calm,
    flood,
    caughtUp,
    dropped,
    calmLatencies,
    floodLatencies,
    calmEvents: calmJobs * eventsOfAJob,
    floodEvents: floodJobs * eventsOfAJob,
    floodMs,
    heardMs,
    events,
    heard: [
      ...stalled.map(({ heard }, index) => heard + resumed[index]!.heard),
      ...healthy.map(({ heard }) => heard),
    ],
    faults: all.reduce((sum, { faults }) => sum + faults, 0),
  }
}

async function heardAll(clients: readonly LiveClient[], events: number): Promise<void> {
  while (clients.some(({ heard }) => heard < events)) await setTimeout(10)
}
