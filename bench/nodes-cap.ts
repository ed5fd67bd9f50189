/** A cap on renders, and the takeover of a killed node's render: parts of `nodes.ts`. */
import type { BenchCluster, BenchNode } from './cluster.ts'
import { median } from './harness.ts'

const renderMs = 500

/** The most renders at once over three nodes, and how much of the ideal throughput they reach. */
export async function measureCap(cluster: BenchCluster, cap: number): Promise<string> {
  const databaseUrl = await cluster.newDatabase()
  const nodes = await cluster.startNodes(3, { databaseUrl, cap, renderMs })
  const share = { jobs: cap * 10, inFlight: cap * 10 }
  await Promise.all(nodes.map((node) => node.work({ jobs: cap, inFlight: cap })))
  await Promise.all(nodes.map((node) => node.rendered()))
  await cluster.age(databaseUrl)
  await Promise.all(nodes.map((node) => node.work(share)))
  const rendered = (await Promise.all(nodes.map((node) => node.rendered()))).flat()
  await Promise.all(nodes.map((node) => node.kill()))
  const moves = rendered
    .flatMap(({ startedAt, endedAt }) => [
      { at: startedAt, by: 1 },
      { at: endedAt, by: -1 },
    ])
    .toSorted((one, other) => one.at - other.at)
  let [running, most] = [0, 0]
  for (const { by } of moves) most = Math.max(most, (running += by))
  const tookMs = moves.at(-1)!.at - moves[0]!.at
  const ideal = (rendered.length * renderMs) / cap
  return `a cap of ${cap} over 3 nodes: at most ${most} at once, ${(ideal / tookMs).toFixed(3)} of the ideal throughput (${rendered.length} renders of ${renderMs} ms)`
}

/** From the kill of a node until another has begun its render. */
export async function measureTakeover(cluster: BenchCluster, times: number): Promise<string> {
  const settings = { databaseUrl: await cluster.newDatabase(), cap: 1, renderMs: 3_600_000 }
  const begun: { readonly node: BenchNode; readonly attemptId: string; readonly at: number }[] = []
  let wake = (): void => {}
  const start = async (): Promise<BenchNode> => {
    const [node] = await cluster.startNodes(1, settings)
    node!.onBegun((attemptId) => {
      begun.push({ node: node!, attemptId, at: performance.now() })
      wake()
    })
    return node!
  }
  const nodes = [await start(), await start()]
  const nextBegin = async (): Promise<void> => {
    const known = begun.length
    while (begun.length === known) await new Promise<void>((resolve) => (wake = resolve))
  }
  nodes[0]!.approve()
  await nextBegin()
  const tookMs: number[] = []
  for (let time = 0; time < times; time++) {
    const { node } = begun.at(-1)!
    const killedAt = performance.now()
    const taken = nextBegin()
    await node.kill()
    await taken
    tookMs.push(begun.at(-1)!.at - killedAt)
    await start()
  }
  const seconds = (ms: number): string => (ms / 1000).toFixed(1)
  return `taken over after kill -9: median ${seconds(median(tookMs))} s, worst ${seconds(Math.max(...tookMs))} s of ${times}`
}
