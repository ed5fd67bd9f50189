import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/store/postgres-server.ts'],
    reporters: ['default', './test/closing-line.ts'],
    pool: 'threads',
    isolate: false,
    // All cores: one is left out otherwise, which of two is half.
    maxWorkers: '100%',
    // Guards against a test that hangs, not figures: two cores may be busy with other things.
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
})
