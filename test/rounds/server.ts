/** The real server on the fast clock of the rounds. */
import { type Host, systemHost } from '../../src/host.ts'
import { serve } from '../../src/main.ts'
import { fastNow, speed } from './clock.ts'

const { sleep } = systemHost
const fast: Partial<Host> = {
  now: fastNow,
  monotonic: () => performance.now() * speed,
  sleep: (ms, signal) => sleep(ms / speed, signal),
}
Object.assign(systemHost, fast)
await serve()
