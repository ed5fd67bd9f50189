/**
 * `npm test`: runs vitest with the given arguments, and ends it where its workers do not end by themselves. After the last test,
 * a worker thread may wait without end for a native handle to close, and the process would wait with it.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { SuiteEnd } from './closing-line.ts'

/** Vitest itself takes up to ten seconds to end. */
const endsWithinMs = 30_000

const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))
const child = spawn(process.execPath, [vitest, 'run', ...process.argv.slice(2)], {
  stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
process.once('exit', () => child.kill('SIGKILL'))
child.once('message', ({ isPassed }: SuiteEnd) => {
  setTimeout(() => {
    console.log('The workers of the tests did not end by themselves')
    process.exit(isPassed ? 0 : 1)
  }, endsWithinMs)
})
child.once('exit', (code) => process.exit(code ?? 1))
