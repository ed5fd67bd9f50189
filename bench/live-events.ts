/**
 * 1,000 clients follow the live events of one server, each on a socket of its own, and 100 of them stall: what that costs
 * the server in memory, how soon the others hear of what happens, that they hear everything once, and that those who
 * stalled are dropped and resume without a gap. The events are those of real jobs; the server is a process of its own.
 * Run: node bench/live-events.ts [clients] [of which stall]
 */
import { runLiveEvents } from '../test/server/live-events.ts'
import { quantile } from './harness.ts'

const [clients = 1000, stalled = 100] = process.argv.slice(2).map(Number)
const calmJobs = 100
const figures = await runLiveEvents({ clients, stalled, calmJobs, floodJobs: 3000 })
const { before, idle, calm, flood, caughtUp, dropped, events } = figures

const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`
const kb = (bytes: number): string => `${(bytes / 1e3).toFixed(1)} kB`
const row = ({ rss, held }: { readonly rss: number; readonly held: number }) => ({
  memory: mb(rss),
  held: mb(held),
})
console.table({
  'before any client': row(before),
  [`${clients} clients, idle`]: row(idle),
  'each client': {
    memory: kb((idle.rss - before.rss) / clients),
    held: kb((idle.held - before.held) / clients),
  },
  'at most during the flood': row({
    rss: Math.max(flood.peakRss, caughtUp.peakRss),
    held: Math.max(flood.peakHeld, caughtUp.peakHeld),
  }),
  [`after it, ${stalled} stalled`]: row(caughtUp),
  'the stalled dropped': row(dropped),
})

const heardAfter = (latencies: readonly number[]): string =>
  `heard after p50 ${quantile(latencies, 0.5)} ms, p99 ${quantile(latencies, 0.99)} ms`
const heldUp = ({ p99Ms, longestMs }: typeof calm): string =>
  `event loop held up p99 ${p99Ms.toFixed(1)} ms, longest ${longestMs.toFixed(0)} ms`
const deliveries = ((clients - stalled) * figures.floodEvents) / figures.heardMs / 1000
console.log(
  `calm, ${figures.calmEvents} events at 40 a second: ${heardAfter(figures.calmLatencies)}; ` +
    `${(calm.cpuMs / calmJobs).toFixed(0)} % of a core, ${heldUp(calm)}`,
)
console.log(
  `flood, ${figures.floodEvents} events worked in ${(figures.floodMs / 1000).toFixed(1)} s and heard by all within ${(figures.heardMs / 1000).toFixed(1)} s, ` +
    `${deliveries.toFixed(2)} million deliveries a second: ${heardAfter(figures.floodLatencies)}; ${heldUp(flood)}`,
)
const wrong = figures.heard.filter((heard) => heard !== events).length
console.log(
  `${figures.faults} gaps, ${wrong} of ${clients} clients heard another number of events than ${events}; ${idle.readers - dropped.readers} were dropped and resumed`,
)
