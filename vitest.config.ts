import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  // The examples of the documentation name the package, and run as they stand.
  resolve: {
    alias: [
      {
        find: /^workflow-coordinator$/,
        replacement: fileURLToPath(new URL('src/index.ts', import.meta.url)),
      },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/store/postgres-server.ts'],
    reporters: ['default', './test/closing-line.ts'],
    pool: 'threads',
    isolate: false,
    // Twice the cores: most of what is slow waits for processes and clocks.
    maxWorkers: '200%',
    // Servers and commands are started by the hundred: compiled once.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('.vitest/compiled', import.meta.url)) },
    // Guards against a test that hangs, not figures: two cores may be busy with other things.
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
})
