import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { expect, it } from 'vitest'
import { readConfig } from '../src/config.ts'

it('has a default for everything', () => {
  expect(readConfig({})).toEqual({
    port: 4000,
    host: '127.0.0.1',
    dataDir: resolve('data'),
    ffmpegPath: undefined,
    localMaxConcurrency: availableParallelism(),
    shutdownGraceMs: 5000,
    logLevel: 'info',
  })
  expect(readConfig({ PORT: '', HOST: '' })).toEqual(readConfig({}))
})

it.each([
  [{ PORT: '70000' }, 'PORT must be at most 65535'],
  [{ PORT: 'http' }, 'PORT must be a whole number'],
  [{ LOCAL_MAX_CONCURRENCY: '0' }, 'LOCAL_MAX_CONCURRENCY must be at least 1'],
  [{ FFMPEG_PATH: 'ffmpeg' }, 'FFMPEG_PATH must be an absolute path'],
  [{ SHUTDOWN_GRACE_MS: '-1', LOG_LEVEL: 'loud' }, /SHUTDOWN_GRACE_MS must be a whole number; LOG_LEVEL /],
])('%j is refused by its name', (env, message) => {
  expect(() => readConfig(env)).toThrow(message)
})
