import { expect, test } from 'vitest'
import { runLiveEvents } from './live-events.ts'

const megabyte = 1e6

test('clients that stall cost the server little, are dropped, and resume without a gap; the others hear everything once', async () => {
  const clients = 200
  const stalled = 20
  const figures = await runLiveEvents({ clients, stalled, calmJobs: 10, floodJobs: 3000 })
  const { before, idle, flood, caughtUp, dropped } = figures
  expect(figures.faults).toBe(0)
  expect(new Set(figures.heard)).toEqual(new Set([figures.events]))
  expect(figures.heard).toHaveLength(clients)
  expect([before.readers, idle.readers, dropped.readers]).toEqual([0, clients, clients - stalled])
  // 12,000 events are 6 MB for each client; the log's end is shared by all, a page is what a stalled one keeps.
  expect(caughtUp.held - idle.held).toBeLessThan(32 * megabyte)
  expect(Math.max(flood.peakHeld, caughtUp.peakHeld) - idle.held).toBeLessThan(192 * megabyte)
  expect(dropped.held - idle.held).toBeLessThan(32 * megabyte)
})
