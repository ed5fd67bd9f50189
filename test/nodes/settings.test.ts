/** Settings that should be the same on all nodes, because each node goes by its own. */
import { expect, test } from 'vitest'
import { type Log, createLog } from '../../src/log.ts'
import { createNodes } from '../../src/nodes/nodes.ts'
import { createClock } from '../clock.ts'
import { newMigratedPlace } from '../store/open-database.ts'

test('a node names each other one whose budgets or prices differ from its own, once', async () => {
  const place = await newMigratedPlace()
  try {
    const database = await place.open()
    const host = createClock()
    const warned: unknown[] = []
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else is logged here
    const log = { ...createLog({ level: 'silent' }), warn: (said: unknown) => warned.push(said) } as Log
    const nodeOf = (name: string, budget: string) =>
      createNodes(
        {
          name,
          role: 'all',
          version: '1.0.0',
          slots: {},
          settings: { 'BUDGET_*': budget, MODELS_FILE: '2026-11' },
        },
        { database, host, log },
      )
    const watch = { load: () => ({ tasks: {}, jobs: [] }), onSlots: () => undefined }
    const nodes = [nodeOf('one', '25'), nodeOf('two', '25'), nodeOf('three', '50')]
    for (const node of nodes) await node.start(watch)
    expect(warned).toEqual([
      { other: 'one', settings: ['BUDGET_*'] },
      { other: 'two', settings: ['BUDGET_*'] },
    ])
    host.advance(3000)
    await expect.poll(() => warned.length).toBe(4)
    expect(warned.slice(2)).toEqual([
      { other: 'three', settings: ['BUDGET_*'] },
      { other: 'three', settings: ['BUDGET_*'] },
    ])
    for (const node of nodes) await node.stop()
  } finally {
    await place.remove()
  }
})
