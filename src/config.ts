/** The environment, read and checked once: the only reader of process.env. */
import { availableParallelism } from 'node:os'
import { isAbsolute, resolve } from 'node:path'
import { z } from 'zod'

const whole = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(least, `must be at least ${least}`).max(most, `must be at most ${most}`))

const environment = z.object({
  PORT: whole(0, 65_535).default(4000),
  HOST: z.string().min(1).default('127.0.0.1'),
  DATA_DIR: z.string().min(1).default('./data'),
  FFMPEG_PATH: z.string().min(1).refine(isAbsolute, 'must be an absolute path').optional(),
  LOCAL_MAX_CONCURRENCY: whole(1, 256).optional(),
  SHUTDOWN_GRACE_MS: whole(0, 600_000).default(5000),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
})

export interface Config {
  readonly port: number
  readonly host: string
  /** Absolute. Holds the database, the artifacts and nothing of anybody else's. */
  readonly dataDir: string
  /** The FFmpeg program to use; undefined for the one npm installed. */
  readonly ffmpegPath: string | undefined
  /** Renders on this machine at once. */
  readonly localMaxConcurrency: number
  /** How long running work may take to end after SIGTERM. */
  readonly shutdownGraceMs: number
  readonly logLevel: string
}

export class ConfigError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ConfigError'
  }
}

/** @throws {ConfigError} that names each variable and says what it must be. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  // A variable that is set to nothing is one that is not set.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const parsed = environment.safeParse(given)
  if (!parsed.success)
    throw new ConfigError(
      parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; '),
    )
  const { data } = parsed
  return Object.freeze({
    port: data.PORT,
    host: data.HOST,
    dataDir: resolve(data.DATA_DIR),
    ffmpegPath: data.FFMPEG_PATH,
    localMaxConcurrency: data.LOCAL_MAX_CONCURRENCY ?? availableParallelism(),
    shutdownGraceMs: data.SHUTDOWN_GRACE_MS,
    logLevel: data.LOG_LEVEL,
  })
}
