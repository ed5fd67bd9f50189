import { afterAll, beforeAll, expect, test } from 'vitest'
import { openInstallation } from '../../src/coordinator/attempt/installation.ts'
import { systemHost } from '../../src/host.ts'
import { silentLog } from '../harness/harness.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'

let harness: AppHarness
beforeAll(async () => {
  harness = await openAppHarness()
})
afterAll(() => harness.close())

test('secrets that were replaced count for their grace time each, over a restart, until one rotation allows none', async () => {
  let now = 0
  const host = { ...systemHost, now: () => now }
  const open = () => openInstallation({ database: harness.database, host, log: silentLog })
  const installation = await open()
  const [first] = installation.secrets()
  await installation.rotateSecret({ grace_seconds: 3600 })
  const [second] = installation.secrets()
  now = 1_800_000
  await installation.rotateSecret({ grace_seconds: 3600 })
  const [third] = installation.secrets()
  expect((await open()).secrets()).toEqual([third, second, first])
  now = 3_600_001
  expect((await open()).secrets()).toEqual([third, second])
  await installation.rotateSecret({ grace_seconds: 0 })
  expect((await open()).secrets()).toHaveLength(1)
})
