import { existsSync, statfsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type TestProjectInlineConfiguration, defineConfig } from 'vitest/config'
import { LongestFirst } from './test/longest-first.ts'

/** What is said of PostgreSQL alone. */
const postgresAlone = [
  'test/**/postgres*.test.ts',
  'test/engine/nodes.slow.test.ts',
  'test/engine/takeover.test.ts',
  'test/nodes/*.slow.test.ts',
  'test/paid/move.slow.test.ts',
  'test/store/move.slow.test.ts',
  'test/wire/*.test.ts',
]

/** The behaviour that is the same on both databases. */
const onBoth = [
  'test/client/client.test.ts',
  'test/coordinator/*.test.ts',
  'test/engine/engine.test.ts',
  'test/events/*.test.ts',
  'test/http/*.test.ts',
  'test/paid/*.test.ts',
  'test/pipeline/prune.slow.test.ts',
  'test/store/*.test.ts',
  'test/telemetry/*.test.ts',
  'test/webhooks/*.test.ts',
]

/** What is said of SQLite alone, of no database, or at a length that one database is enough for. */
const notOnPostgres = [
  'test/coordinator/admission-rules.test.ts',
  'test/coordinator/chain.slow.test.ts',
  'test/http/disposition.test.ts',
  'test/http/fuzz.slow.test.ts',
  'test/http/hostile-bodies.slow.test.ts',
  // What a provider does over simulated hours, in which loops look thousands of times: on PostgreSQL, stories of faults and
  // kills go the same ways.
  'test/paid/attempts.test.ts',
  'test/paid/clock.test.ts',
  'test/paid/ends.test.ts',
  'test/paid/kept-clips.test.ts',
  'test/paid/never-paid-twice.slow.test.ts',
  'test/paid/unknown.test.ts',
  'test/paid/witnesses.test.ts',
  'test/store/batches.test.ts',
  'test/store/lock.test.ts',
  'test/store/sqlite.test.ts',
  'test/webhooks/server.slow.test.ts',
]

/** Folders of tests lie in memory where there is room for them: thousands of commits then wait for no disk. */
const memory = '/dev/shm'
const roomBytes = 4 * 2 ** 30
const isRoomy = (folder: string): boolean => {
  if (!existsSync(folder)) return false
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize >= roomBytes
}

const sqlite: TestProjectInlineConfiguration = {
  extends: true,
  test: { name: 'sqlite', include: ['test/**/*.test.ts'], exclude: postgresAlone },
}

const postgres: TestProjectInlineConfiguration = {
  extends: true,
  test: {
    name: 'postgres',
    include: [...onBoth, ...postgresAlone],
    exclude: notOnPostgres,
    env: { TEST_DATABASE: 'postgres' },
  },
}

/** `vitest --mode fast`, before each commit. */
const quick: TestProjectInlineConfiguration = {
  extends: true,
  test: { ...sqlite.test, exclude: [...postgresAlone, 'test/**/*.slow.test.ts'] },
}

export default defineConfig(({ mode }) => ({
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
    globalSetup: ['test/page/built-page.ts', 'test/store/postgres-server.ts'],
    reporters: ['default', './test/closing-line.ts'],
    pool: 'threads',
    isolate: false,
    // Thrice the cores: most of what is slow waits for processes and clocks.
    maxWorkers: '300%',
    sequence: { sequencer: LongestFirst },
    env: {
      // Servers and commands are started by the hundred: compiled once.
      NODE_COMPILE_CACHE: fileURLToPath(new URL('.vitest/compiled', import.meta.url)),
      ...(isRoomy(memory) && { TMPDIR: memory }),
    },
    // Guards against a test that hangs, not figures: two cores may be busy with other things.
    testTimeout: 120_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
    projects: mode === 'fast' ? [quick] : [sqlite, postgres],
  },
}))
