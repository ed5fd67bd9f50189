/** A server of the live events as a process of its own, which works real jobs and tells of its memory as its parent asks. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { jobRequest, openBenchHarness, together } from '../../bench/harness.ts'
import { openDiskArtifacts } from '../../src/artifact/disk.ts'
import { createFeed } from '../../src/events/feed.ts'
import { systemHost } from '../../src/host.ts'
import { listen } from '../../src/http/edge/server.ts'
import { createLog } from '../../src/log.ts'
import { appOver } from '../harness/ask.ts'

/** Shorter than the product's 30 s and 15 s, so that one need not wait for them. */
const stallMs = 5_000
const heartbeatMs = 2_000

/** What the events of one job come to; each tells a reason as long as it may be. */
export const eventsOfAJob = 4
const reason = 'why '.repeat(125).trim()

/** `jobs` together, or one after the other every so often. Answered with the state after it. */
export type Order = { readonly jobs: number; readonly everyMs?: number }

export interface State {
  /** Bytes: of the process, and what V8 and buffers hold of it. */
  readonly rss: number
  readonly held: number
  /** The most there was since the last order. */
  readonly peakRss: number
  readonly peakHeld: number
  readonly readers: number
  readonly cpuMs: number
  /** How long the event loop was held up. */
  readonly longestMs: number
  readonly p99Ms: number
}

async function serve(): Promise<void> {
  const harness = await openBenchHarness(0)
  const { coordinator, database, pubsub } = harness
  const log = createLog({ level: 'warn' })
  const feed = createFeed({ database, onEvent: (wake) => pubsub.subscribe('*', wake), host: systemHost, log })
  const artifacts = await openDiskArtifacts(harness.folder)
  const app = appOver(harness, { feed, artifacts, log, streams: { heartbeatMs } })
  const server = await listen(app, { host: '127.0.0.1', port: 0, limits: { stallMs } })

  let peakRss = 0
  let peakHeld = 0
  const look = () => {
    const { rss, heapUsed, external } = process.memoryUsage()
    const held = heapUsed + external
    peakRss = Math.max(peakRss, rss)
    peakHeld = Math.max(peakHeld, held)
    return { rss, held }
  }
  const looking = setInterval(look, 20)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()

  const work = async (): Promise<void> => {
    const { id } = await coordinator.createJob(jobRequest)
    await coordinator.pauseJob(id, { reason }, { by: 'ada' })
    await coordinator.cancelJob(id, { by: 'ada', reason })
  }
  const follow = async ({ jobs, everyMs }: Order): Promise<State> => {
    const cpu = process.cpuUsage()
    if (everyMs === undefined) await together(jobs, 16, work)
    else
      for (let job = 0; job < jobs; job++) {
        await work()
        await setTimeout(everyMs)
      }
    const { user, system } = process.cpuUsage(cpu)
    const heldUp = { longestMs: delay.max / 1e6, p99Ms: delay.percentile(99) / 1e6 }
    const peaks = { peakRss, peakHeld }
    // What buffers hold is let go of a little later.
    for (let round = 0; round < 3; round++) {
      globalThis.gc?.()
      await setTimeout(20)
    }
    const state = { ...look(), ...peaks, ...heldUp, readers: feed.readers(), cpuMs: (user + system) / 1000 }
    peakRss = 0
    peakHeld = 0
    delay.reset()
    return state
  }
  process.on('message', (order: Order) => void follow(order).then((state) => process.send!(state)))
  process.once('disconnect', async () => {
    clearInterval(looking)
    feed.close()
    await server.close({ graceMs: 0 })
    await harness.close()
  })
  process.send!({ url: server.url })
}

if (import.meta.main) await serve()
