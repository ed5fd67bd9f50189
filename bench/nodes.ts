/**
 * What one, two and three nodes do on one PostgreSQL that syncs its commits: lifecycles a second, round trips and collisions of
 * each, CPU, and the time from an approval to the start of its render; beside bare pg-boss and bare transactions.
 * Run: node bench/nodes.ts [--nodes 1,2,3] [--jobs 1200] [--in-flight 64] [--runs 1]; or one of --cap 4, --takeover 20,
 * --waiting 100000
 */
import { parseArgs } from 'node:util'
import type { DatabaseCounts } from '../src/store/database.ts'
import { type BenchCluster, openBenchCluster } from './cluster.ts'
import { median, quantile } from './harness.ts'
import { measureCap, measureTakeover } from './nodes-cap.ts'
import { measureWaiting } from './nodes-waiting.ts'

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1,2,3' },
    jobs: { type: 'string', default: '1200' },
    'in-flight': { type: 'string', default: '64' },
    runs: { type: 'string', default: '1' },
    cap: { type: 'string' },
    takeover: { type: 'string' },
    waiting: { type: 'string' },
  },
})
const jobs = Number(values.jobs)
const inFlight = Number(values['in-flight'])

interface Rate {
  readonly perSecond: number
  readonly startMs: readonly number[]
  readonly each: (name: keyof DatabaseCounts) => number
  readonly nodeCpu: number
  readonly serverCpu: number
}

/** Works `count` jobs over the nodes of a new database. */
async function rate(cluster: BenchCluster, nodes: number, count: number, atOnce: number): Promise<Rate> {
  const databaseUrl = await cluster.newDatabase()
  const started = await cluster.startNodes(nodes, { databaseUrl, cap: inFlight, renderMs: 0 })
  const share = { jobs: Math.ceil(count / nodes), inFlight: Math.ceil(atOnce / nodes) }
  await Promise.all(started.map((node) => node.work({ ...share, jobs: Math.ceil(share.jobs / 5) })))
  await Promise.all(started.map((node) => node.rendered()))
  await cluster.age(databaseUrl)
  const [begun, cpu] = [performance.now(), cluster.serverCpuSeconds() ?? Number.NaN]
  const worked = await Promise.all(started.map((node) => node.work(share)))
  const seconds = (performance.now() - begun) / 1000
  const serverCpu = (cluster.serverCpuSeconds() ?? Number.NaN) - cpu
  const rendered = (await Promise.all(started.map((node) => node.rendered()))).flat()
  await Promise.all(started.map((node) => node.kill()))
  const done = share.jobs * nodes
  const startedAt = new Map(rendered.map((one) => [one.jobId, one.startedAt]))
  return {
    perSecond: done / seconds,
    startMs: worked.flatMap(({ approved }) => approved.map(([job, at]) => startedAt.get(job)! - at)),
    each: (name) => worked.reduce((sum, { counts }) => sum + counts[name], 0) / done,
    nodeCpu: worked.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0) / seconds,
    serverCpu: serverCpu / seconds,
  }
}

const say = (line: string): void => console.log(line)

async function rates(cluster: BenchCluster): Promise<void> {
  const bare = await cluster.measureBare({
    databaseUrl: await cluster.newDatabase(),
    inFlight,
    transactions: jobs * 5,
    lifecycles: jobs * 2,
  })
  say(
    `bare transactions: ${Math.round(bare.transactionsPerSecond)}/s; bare pg-boss: ${Math.round(bare.lifecyclesPerSecond)} lifecycles/s (${inFlight} in flight)`,
  )
  for (const nodes of values.nodes.split(',').map(Number)) {
    const runs: Rate[] = []
    for (let run = 0; run < Number(values.runs); run++) runs.push(await rate(cluster, nodes, jobs, inFlight))
    const of = (value: (one: Rate) => number): number => median(runs.map(value))
    const each = (name: keyof DatabaseCounts): string => of((one) => one.each(name)).toFixed(2)
    const perSecond = of((one) => one.perSecond)
    const ofBare = perSecond / bare.lifecyclesPerSecond
    say(
      `${nodes} ${nodes === 1 ? 'node' : 'nodes'}, ${inFlight} in flight: ${Math.round(perSecond)} lifecycles/s, ${ofBare.toFixed(2)} of bare pg-boss; each ${each('transactions')} transactions, ${each('roundTrips')} round trips, ${each('collisions')} collisions, ${each('retries')} repeats, ${each('givenUp')} given up; CPU of the nodes ${of((one) => one.nodeCpu).toFixed(2)}, of PostgreSQL ${of((one) => one.serverCpu).toFixed(2)}; approve to render start p50 ${of((one) => quantile(one.startMs, 0.5)).toFixed(1)}, p99 ${of((one) => quantile(one.startMs, 0.99)).toFixed(1)} ms`,
    )
  }
}

async function quietStarts(cluster: BenchCluster): Promise<string> {
  const { startMs } = await rate(cluster, 3, 150, 3)
  return `3 nodes, 1 in flight each: approve to render start p50 ${quantile(startMs, 0.5).toFixed(1)}, p99 ${quantile(startMs, 0.99).toFixed(1)} ms`
}

const cluster = await openBenchCluster()
try {
  if (values.takeover !== undefined) say(await measureTakeover(cluster, Number(values.takeover)))
  else if (values.cap !== undefined) say(await measureCap(cluster, Number(values.cap)))
  else if (values.waiting !== undefined) say(await measureWaiting(cluster, Number(values.waiting)))
  else {
    await rates(cluster)
    say(await quietStarts(cluster))
  }
} finally {
  await cluster.close()
}
