/**
 * How many webhooks a second one server takes, and how soon one is there: the real rows, guard and sender, and receivers
 * on this machine in a thread of their own.
 * Run: node bench/webhooks.ts [events]
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Worker, isMainThread, parentPort } from 'node:worker_threads'
import { createEmit } from '../src/events/emit.ts'
import { systemHost as host } from '../src/host.ts'
import { readNetwork } from '../src/job/web-address.ts'
import { createGuardedOutbound } from '../src/outbound/guarded.ts'
import { startWebhooks } from '../src/webhooks/sender.ts'
import { openHarness, silentLog } from '../test/harness/harness.ts'
import { median } from './harness.ts'

const runs = 5
const receivers = 16

/** Servers that take everything, and tell this thread how much that was. */
async function receive(): Promise<void> {
  const ports: number[] = []
  for (let n = 0; n < receivers; n++) {
    const server = createServer((request, response) => {
      request.resume().on('end', () => {
        response.writeHead(204).end()
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, and no window
        parentPort?.postMessage('taken')
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    ports.push((server.address() as AddressInfo).port)
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- likewise
  parentPort?.postMessage(ports)
}

async function measure(): Promise<void> {
  const events = Number(process.argv[2] ?? 2000)
  const worker = new Worker(new URL(import.meta.url))
  const [ports] = (await once(worker, 'message')) as [readonly number[]]
  let taken = 0
  let wanted = Number.POSITIVE_INFINITY
  let enough = Promise.withResolvers<void>()
  worker.on('message', () => {
    if (++taken >= wanted) enough.resolve()
  })
  const take = (count: number): Promise<void> => {
    taken = 0
    wanted = count
    enough = Promise.withResolvers()
    return enough.promise
  }

  const run = async (endpoints: number): Promise<{ perSecond: number; latencyMs: number }> => {
    const allowed = [readNetwork('127.0.0.1/32')!]
    const harness = await openHarness({ clock: host, log: silentLog, webhookNetworks: allowed })
    const { coordinator, database, log, pubsub } = harness
    for (let n = 0; n < endpoints; n++)
      await coordinator.addEndpoint({ url: `http://127.0.0.1:${ports[n]}/` })
    const webhooks = startWebhooks({
      coordinator,
      outbound: createGuardedOutbound({ allowed, host }),
      host,
      log,
      onEvent: (wake) => pubsub.subscribe('*', wake),
    })
    const tell = createEmit({ pubsub, host })
    const event = (jobId: number) =>
      database.transaction((tx) => tell(tx, { type: 'job_progress', jobId, data: { percentage: 50 } }))

    const latencies: number[] = []
    for (let n = 0; n < 100; n++) {
      const there = take(endpoints)
      const began = performance.now()
      await event(1)
      await there
      latencies.push(performance.now() - began)
    }
    const all = take(events)
    const began = performance.now()
    for (let n = 0; n < events / endpoints; n++) void event(n)
    await all
    const perSecond = (events * 1000) / (performance.now() - began)
    await webhooks.stop({ graceMs: 1000 })
    await harness.close()
    return { perSecond, latencyMs: median(latencies) }
  }

  for (const endpoints of [1, receivers]) {
    const measured = []
    for (let n = 0; n < runs; n++) measured.push(await run(endpoints))
    console.log(
      `${events} webhooks to ${endpoints} ${endpoints === 1 ? 'receiver' : 'receivers'}: ` +
        `${median(measured.map(({ perSecond }) => perSecond)).toFixed(0)} a second; ` +
        `one event there after ${median(measured.map(({ latencyMs }) => latencyMs)).toFixed(1)} ms`,
    )
  }
  await worker.terminate()
}

await (isMainThread ? measure() : receive())
