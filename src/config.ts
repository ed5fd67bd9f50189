/** The environment, read and checked once: the only reader of process.env. */
import { availableParallelism } from 'node:os'
import { isAbsolute, resolve } from 'node:path'
import { z } from 'zod'
import { toMicros } from './job/price.ts'

const whole = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(least, `must be at least ${least}`).max(most, `must be at most ${most}`))

const address = z
  .string()
  .refine(
    (text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol),
    'must be an http(s) address',
  )
  .refine((text) => !URL.canParse(text) || !/[?#]/.test(text), 'must have no query')
  .transform((text) => text.replace(/\/+$/, ''))

const usd = z
  .string()
  .regex(/^\d{1,9}(?:\.\d{1,6})?$/, 'must be a number of US dollars, such as 25 or 0.50')
  .transform(Number)

const environment = z.object({
  PORT: whole(0, 65_535).default(4000),
  HOST: z.string().min(1).default('127.0.0.1'),
  DATA_DIR: z.string().min(1).default('./data'),
  FFMPEG_PATH: z.string().min(1).refine(isAbsolute, 'must be an absolute path').optional(),
  LOCAL_MAX_CONCURRENCY: whole(1, 256).optional(),
  REPLICATE_API_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{1,500}$/, 'must be a token: no spaces and no line breaks')
    .optional(),
  // Some write it with the version, as Replicate's own client does.
  REPLICATE_BASE_URL: address
    .transform((url) => url.replace(/\/v1$/, ''))
    .default('https://api.replicate.com'),
  REPLICATE_MAX_CONCURRENCY: whole(1, 100_000).default(4),
  REPLICATE_START_DELAY_MS: whole(0, 3_600_000).default(1000),
  REPLICATE_WEBHOOK_SECRETS: z
    .string()
    .regex(
      /^whsec_[\w+/=]+(?:,whsec_[\w+/=]+)*$/,
      'must be secrets that begin with whsec_, separated by commas',
    )
    .transform((text) => text.split(','))
    .default([]),
  PUBLIC_BASE_URL: address.optional(),
  MODELS_FILE: z.string().min(1).optional(),
  BUDGET_JOB_USD: usd.optional(),
  BUDGET_CLIENT_USD: usd.optional(),
  BUDGET_DAY_USD: usd.optional(),
  BUDGET_TOTAL_USD: usd.optional(),
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
  /** Undefined where nothing is rendered at Replicate. */
  readonly replicate: ReplicateConfig | undefined
  /** Where this server is reached from outside, without a slash at its end; undefined where it isn't. */
  readonly publicBaseUrl: string | undefined
  /** A JSON file of models and prices beside those that are built in. */
  readonly modelsFile: string | undefined
  /** Millionths of a US dollar that may be spent for each job, each client, in a day and in all. */
  readonly budgets: Readonly<Partial<Record<'job' | 'client' | 'day' | 'total', number>>>
  /** How long running work may take to end after SIGTERM. */
  readonly shutdownGraceMs: number
  readonly logLevel: string
}

export interface ReplicateConfig {
  /** A secret. */
  readonly token: string
  readonly baseUrl: string
  /** Renders there at once, over all jobs. */
  readonly maxConcurrency: number
  /** The least time between two starts, over all jobs. */
  readonly startDelayMs: number
  /** Beside those that Replicate's API tells: secrets too. */
  readonly webhookSecrets: readonly string[]
}

export class ConfigError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
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
    replicate:
      data.REPLICATE_API_TOKEN === undefined
        ? undefined
        : {
            token: data.REPLICATE_API_TOKEN,
            baseUrl: data.REPLICATE_BASE_URL,
            maxConcurrency: data.REPLICATE_MAX_CONCURRENCY,
            startDelayMs: data.REPLICATE_START_DELAY_MS,
            webhookSecrets: data.REPLICATE_WEBHOOK_SECRETS,
          },
    publicBaseUrl: data.PUBLIC_BASE_URL,
    modelsFile: data.MODELS_FILE && resolve(data.MODELS_FILE),
    budgets: budgetsOf({
      job: data.BUDGET_JOB_USD,
      client: data.BUDGET_CLIENT_USD,
      day: data.BUDGET_DAY_USD,
      total: data.BUDGET_TOTAL_USD,
    }),
    shutdownGraceMs: data.SHUTDOWN_GRACE_MS,
    logLevel: data.LOG_LEVEL,
  })
}

const budgetsOf = (usdByName: Readonly<Record<string, number | undefined>>): Config['budgets'] =>
  Object.fromEntries(
    Object.entries(usdByName).flatMap(([name, dollars]) =>
      dollars === undefined ? [] : [[name, toMicros(dollars)]],
    ),
  )
