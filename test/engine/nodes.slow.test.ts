/** Engines in several processes that share their tasks: killed, stopped and drained. */
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import type { TaskKind } from '../../src/job/task.ts'
import type { Database } from '../../src/store/database.ts'
import { migrated } from '../harness/data.ts'
import { newPlace, type Place } from '../store/open-database.ts'
import { type NodeSettings, type TestNode, startNode } from './node.ts'
import { clockOf, openEngine } from './open-engine.ts'

let place: Place
let database: Database
/** Enqueues and cancels, as a node with ROLE=api. */
let api: Engine
let nodes: TestNode[]

beforeEach(async () => {
  place = await newPlace('postgres')
  database = await migrated(await place.open())
  await database.transaction((tx) =>
    tx.run('create table marks (subject text not null, node bigint not null)'),
  )
  nodes = []
  const hint = (): void => {
    for (const { child, send } of nodes) if (child.connected) send({ type: 'wake' })
  }
  api = await openEngine({ place, database, clock: clockOf('postgres'), hint })
})
afterEach(async () => {
  for (const node of nodes) await node.kill()
  await api.stop({ graceMs: 0 })
  await database.close()
  await place.remove()
})

const start = async (settings: Partial<NodeSettings> = {}): Promise<TestNode> => {
  const node = await startNode({ ...place.server!, slots: 4, ...settings })
  nodes.push(node)
  return node
}
const enqueue = (kind: TaskKind, ...subjects: string[]): Promise<void> =>
  database.transaction(async (tx) => {
    for (const subject of subjects) await api.enqueue(tx, { kind, subject, jobId: 1 })
  })
const until = async (reached: () => boolean | Promise<boolean>): Promise<number> => {
  const began = performance.now()
  while (!(await reached())) await setTimeout(10)
  return performance.now() - began
}
const tasks = (): Promise<readonly unknown[]> =>
  database.all('select subject, tries, crashes, running from tasks order by subject')
const marks = async (): Promise<unknown[]> =>
  (await database.all('select subject, node from marks order by node, subject')).map((row) => ({ ...row }))

it('shares tasks between processes, each run once', async () => {
  const two = [await start({ isQuick: true, slots: 2 }), await start({ isQuick: true, slots: 2 })]
  await enqueue('render-scene', ...Array.from({ length: 60 }, (_, n) => `task ${n}`))
  await until(async () => (await tasks()).length === 0)
  const done = await database.all('select subject, count(*) as times from marks group by subject')
  expect(done).toHaveLength(60)
  expect(done.every(({ times }) => times === 1)).toBe(true)
  for (const { reports } of two) expect(reports.some(({ type }) => type === 'runs')).toBe(true)
})

it('takes over what a killed process ran within 15 s, and counts no try; its lead passes on as well', async () => {
  const dies = await start({ leads: true })
  await dies.heard('leads')
  await enqueue('render-scene', 'a')
  await enqueue('follow-render', 'paid')
  await dies.heard('runs', 'a')
  await dies.heard('runs', 'paid')
  const other = await start({ leads: true })
  await dies.kill()
  const tookMs = await until(() => other.has('runs', 'a') && other.has('runs', 'paid') && other.has('leads'))
  expect(tookMs).toBeLessThan(15_000)
  other.send({ type: 'finish', subject: 'a' })
  await other.heard('finished', 'a')
  expect(await tasks()).toEqual([{ subject: 'paid', tries: 0, crashes: 0, running: 1 }])
})

it('lets a process that returns after a takeover change no row, and leaves the new run alone', async () => {
  const ghost = await start({ leads: true })
  await enqueue('render-scene', 'a', 'b')
  await ghost.heard('runs', 'a')
  await ghost.heard('runs', 'b')
  await ghost.heard('leads')
  const other = await start({ leads: true })
  ghost.child.kill('SIGSTOP')
  await other.heard('runs', 'a')
  await other.heard('runs', 'b')
  await other.heard('leads')
  ghost.send({ type: 'write', subject: 'a' })
  ghost.send({ type: 'finish', subject: 'b' })
  ghost.child.kill('SIGCONT')
  for (const subject of ['a', 'b', 'lead'])
    expect(await ghost.heard('refused', subject)).toMatchObject({ error: 'TaskLostError' })
  await ghost.heard('aborted', 'a')
  expect(await marks()).toEqual([])
  expect(await tasks()).toMatchObject([
    { subject: 'a', running: 1 },
    { subject: 'b', running: 1 },
  ])
  expect(other.has('aborted')).toBe(false)
  other.send({ type: 'finish', subject: 'b' })
  await other.heard('finished', 'b')
  expect(await marks()).toEqual([{ subject: 'b', node: other.child.pid }])
})

it('tells a run on another node that it was cancelled', async () => {
  const node = await start()
  await enqueue('render-scene', 'a')
  await node.heard('runs', 'a')
  await database.transaction((tx) => api.cancel(tx, { kind: 'render-scene', subject: 'a' }))
  const tookMs = await until(() => node.has('aborted', 'a'))
  expect(tookMs).toBeLessThan(3000)
  expect(await tasks()).toEqual([])
})

it('moves what waits when a node stops at once, and what runs when its grace is over', async () => {
  const leaves = await start({ leads: true })
  await leaves.heard('leads')
  await enqueue('render-scene', 'long')
  await enqueue('follow-render', ...Array.from({ length: 20 }, (_, n) => `paid ${n}`))
  await leaves.heard('runs', 'long')
  await until(() => leaves.reports.filter(({ type }) => type === 'runs').length === 21)
  const stays = await start({ leads: true })
  leaves.send({ type: 'stop', graceMs: 3000 })
  await until(() => stays.reports.filter(({ type }) => type === 'runs').length === 20)
  await stays.heard('leads')
  expect(leaves.has('aborted', 'long')).toBe(false)
  await leaves.heard('aborted', 'long')
  const tookMs = await until(() => stays.has('runs', 'long'))
  // Its handler does not end for 3 s more.
  expect(tookMs).toBeLessThan(4000)
  await leaves.heard('stopped')
  expect(await tasks()).toContainEqual({ subject: 'long', tries: 0, crashes: 0, running: 1 })
})

it('runs a task of one node once more that another node enqueues meanwhile', async () => {
  const node = await start()
  await enqueue('render-scene', 'a')
  await node.heard('runs', 'a')
  await enqueue('render-scene', 'a')
  node.send({ type: 'finish', subject: 'a' })
  await until(() => node.reports.filter(({ type }) => type === 'runs').length === 2)
})
