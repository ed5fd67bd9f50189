/** The environment, read and checked once: the only reader of process.env. */
import { isIP, isIPv4, isIPv6 } from 'node:net'
import { availableParallelism, hostname } from 'node:os'
import { isAbsolute, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { type Role, roles } from './job/node.ts'
import { toMicros } from './job/price.ts'
import type { RetentionLimits } from './job/storage.ts'
import { type Network, readNetwork } from './job/web-address.ts'
import { problemOfDatabaseUrl } from './store/database-url.ts'

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

/** Days, or null for `forever`. */
const days = z
  .union(
    [z.literal('forever').transform(() => null), whole(1, 36_500)],
    'must be a whole number of days, or forever',
  )
  .nullable()

/** An IPv6 address in canonical form, with or without the brackets of a URL. */
const plainHost = (text: string): string => {
  const inside = text.replace(/^\[(.*)\]$/, '$1')
  if (!isIPv6(inside)) return text
  const url = `http://[${inside}]`
  return URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : inside
}

const hostAddress = z.string().min(1).transform(plainHost)

const orOf = (words: readonly string[]): string => `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`

/** A URL of PostgreSQL: one server, or several with commas, of which one accepts writes. */
const databaseUrl = z.string().superRefine((url, { addIssue }) => {
  const problem = problemOfDatabaseUrl(url)
  if (problem !== undefined) addIssue(problem)
})

const environment = z.object({
  PORT: whole(0, 65_535).default(4000),
  HOST: hostAddress
    .refine(
      (text) => isIP(text) !== 0 || isName(text),
      'must be an address or a name of this machine, without a port, such as 127.0.0.1 or ::1',
    )
    .default('127.0.0.1'),
  DATA_DIR: z.string().min(1).default('./data'),
  DATABASE_URL: databaseUrl.optional(),
  ARTIFACTS_URL: z
    .string()
    .regex(
      /^(?:s3:\/\/[a-z\d][a-z\d.-]{1,61}[a-z\d](?:\/[\w.\-/]*)?|file:\/\/\/[^?#]*)$/,
      'must be a bucket such as s3://bucket/prefix, or a shared folder such as file:///mnt/films',
    )
    .refine(isBucketOrPath, 'must have special characters of its path percent-encoded, and no %2F')
    .optional(),
  AWS_ACCESS_KEY_ID: z.string().optional(),
  AWS_SECRET_ACCESS_KEY: z.string().optional(),
  AWS_SESSION_TOKEN: z.string().optional(),
  AWS_REGION: z
    .string()
    .regex(/^[\w-]{1,64}$/, 'must be a region such as eu-central-1')
    .optional(),
  AWS_ENDPOINT_URL_S3: address.optional(),
  AWS_ENDPOINT_URL: address.optional(),
  ROLE: z.enum(roles, `must be ${orOf(roles)}`).default('all'),
  NODE_NAME: z
    .string()
    .regex(/^[\w.:-]{1,100}$/, 'must be up to 100 letters, digits and . _ : -')
    .optional(),
  FFMPEG_PATH: z.string().min(1).refine(isAbsolute, 'must be an absolute path').optional(),
  LOCAL_MAX_CONCURRENCY: whole(1, 256).optional(),
  REPLICATE_API_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{1,500}$/, 'must be a token: no spaces and no line breaks')
    .optional(),
  // Replicate's own client includes the version in its base URL.
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
  REQUIRE_KEYS: z
    .enum(['true', 'false'], 'must be true or false')
    .transform((text) => text === 'true')
    .optional(),
  ALLOWED_HOSTS: z
    .string()
    .transform((text) => text.split(',').map((one) => plainHost(one.trim())))
    .refine(
      (names) => names.every(isHostName),
      'must be host names without ports, such as films.example.com or .example.com, separated by commas',
    )
    .default([]),
  RATE_LIMIT_PER_MINUTE: whole(0, 1_000_000).default(1200),
  MODELS_FILE: z.string().min(1).optional(),
  BUDGET_JOB_USD: usd.optional(),
  BUDGET_CLIENT_USD: usd.optional(),
  BUDGET_DAY_USD: usd.optional(),
  BUDGET_TOTAL_USD: usd.optional(),
  WEBHOOK_ALLOWED_NETWORKS: z
    .string()
    .transform((text) => text.split(',').map((one) => readNetwork(one.trim())))
    .refine(
      (networks) => networks.every((network) => network !== undefined),
      'must be networks such as 10.0.0.0/8, separated by commas',
    )
    .transform((networks) => networks.filter((network) => network !== undefined))
    .default([]),
  RETAIN_EVENTS_DAYS: days.default(90),
  RETAIN_FILMS_DAYS: days.default(null),
  RETAIN_CLIPS_DAYS: days.default(null),
  RETAIN_INPUTS_DAYS: days.default(null),
  MAX_STORED_GB: z
    .string()
    .regex(/^\d{1,9}(?:\.\d{1,3})?$/, 'must be a number of GB, such as 200 or 0.5')
    .transform((text) => Math.round(Number(text) * 1e9))
    .pipe(z.number().min(1, 'must be more than 0'))
    .optional(),
  SHORT_CLIPS: z.enum(['hold', 'take'], 'must be hold or take').default('hold'),
  DRAIN_MS: whole(0, 600_000).default(0),
  MIN_FREE_DISK_MB: whole(0, 1_000_000_000).default(512),
  SHUTDOWN_GRACE_MS: whole(0, 600_000).default(5000),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
})

/** Only a URL of a folder is decoded. */
function isBucketOrPath(url: string): boolean {
  if (!url.startsWith('file:')) return true
  try {
    fileURLToPath(url)
    return true
  } catch {
    return false
  }
}

/** The names of all variables. */
export const settings: readonly string[] = Object.keys(environment.shape)

/** A host name, or a name with all its subdomains. */
const hostName = /^(?:\*?\.)?[a-z\d_](?:[\w-]*[a-z\d_])?(?:\.[a-z\d_](?:[\w-]*[a-z\d_])?)*$/i

const isName = (text: string): boolean => hostName.test(text) && text.length <= 255 && !/^\*?\./.test(text)

const isHostName = (text: string): boolean =>
  text === '*' || isIP(text) !== 0 || (hostName.test(text) && text.length <= 255)

export interface Config {
  readonly port: number
  readonly host: string
  /** Absolute path. Holds the database and the artifacts; with a shared database, only this node's unfinished files. */
  readonly dataDir: string
  /** PostgreSQL's URL, for several nodes. Secret: it may hold a password. Undefined: SQLite in `dataDir`. */
  readonly databaseUrl: string | undefined
  /** Artifacts that several nodes share. Undefined: in `dataDir`. */
  readonly artifacts: ArtifactsConfig | undefined
  readonly role: Role
  /** Shown beside the node's id in lists and logs. */
  readonly nodeName: string
  /** Path of FFmpeg; undefined: the one that npm installed. */
  readonly ffmpegPath: string | undefined
  /** Renders on this machine at once. */
  readonly localMaxConcurrency: number
  /** Undefined if Replicate is not used. */
  readonly replicate: ReplicateConfig | undefined
  /** The URL of this server from outside, without a trailing slash; undefined if it is not reachable. */
  readonly publicBaseUrl: string | undefined
  /** Further accepted host names: `.example.com` includes its subdomains, `*.example.com` means only these, `*` any name. */
  readonly allowedHosts: readonly string[]
  /** Whether requests need a key. If so, the server starts only when a valid key exists. */
  readonly keysRequired: boolean
  /** Requests a minute for each key, or for each address without keys; 0: no limit. */
  readonly ratePerMinute: number
  /** A JSON file of models and prices in addition to the built-in ones. */
  readonly modelsFile: string | undefined
  /** Millionths of a US dollar for each job, each client, a day and in total. */
  readonly budgets: Readonly<Partial<Record<'job' | 'client' | 'day' | 'total', number>>>
  /** Private networks that webhooks may be sent to. */
  readonly webhookNetworks: readonly Network[]
  readonly retention: RetentionLimits
  /** The handling of a paid clip that is much shorter than ordered. */
  readonly shortClips: 'hold' | 'take'
  /** How long requests are still answered after SIGTERM, while /readyz reports `draining`; ms. */
  readonly drainMs: number
  /** With less free space on the disk of `dataDir` the server is not ready. */
  readonly minFreeDiskBytes: number
  /** How long running work may continue after SIGTERM; ms. */
  readonly shutdownGraceMs: number
  readonly logLevel: string
}

export type ArtifactsConfig =
  | { readonly kind: 'folder'; /** Absolute. */ readonly directory: string }
  | ({ readonly kind: 's3' } & S3Config)

export interface S3Config {
  readonly bucket: string
  /** Begins each name in the bucket: empty, or with a `/` at its end. */
  readonly prefix: string
  readonly region: string
  /** Of a server other than AWS; undefined: AWS's for the region. */
  readonly endpoint: string | undefined
  /** Secret. Undefined: those that AWS gives this machine. */
  readonly credentials:
    | {
        readonly accessKeyId: string
        readonly secretAccessKey: string
        readonly sessionToken: string | undefined
      }
    | undefined
}

export interface ReplicateConfig {
  /** Secret. */
  readonly token: string
  readonly baseUrl: string
  /** Renders there at once, over all jobs. */
  readonly maxConcurrency: number
  /** The minimum time between two starts, over all jobs; ms. */
  readonly startDelayMs: number
  /** Secrets, in addition to those fetched from Replicate. */
  readonly webhookSecrets: readonly string[]
}

export class ConfigError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ConfigError'
  }
}

/** @throws {ConfigError} that names each wrong variable and its allowed values. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  // An empty value counts as unset.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const parsed = environment.safeParse(given)
  if (!parsed.success)
    throw new ConfigError(
      parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; '),
    )
  const { data } = parsed
  const keysRequired =
    data.REQUIRE_KEYS ?? isReachedByOthers([data.HOST, ...data.ALLOWED_HOSTS], data.PUBLIC_BASE_URL)
  if (data.ALLOWED_HOSTS.includes('*') && !keysRequired)
    throw new ConfigError(
      'ALLOWED_HOSTS=* needs keys: without keys, any web page could use a host name that points here. List the hosts, or set REQUIRE_KEYS=true',
    )
  if (data.DATABASE_URL !== undefined && data.ARTIFACTS_URL === undefined)
    throw new ConfigError(
      'DATABASE_URL needs ARTIFACTS_URL, because all nodes must reach the same files: s3://bucket/prefix, or a folder that all of them mount, such as file:///mnt/films',
    )
  if (data.DATABASE_URL === undefined && data.ROLE !== 'all')
    throw new ConfigError(
      `ROLE=${data.ROLE} needs DATABASE_URL: with SQLite, one process does all the work. Set DATABASE_URL to a PostgreSQL, or ROLE=all`,
    )
  return Object.freeze({
    port: data.PORT,
    host: data.HOST,
    dataDir: resolve(data.DATA_DIR),
    databaseUrl: data.DATABASE_URL,
    artifacts: data.ARTIFACTS_URL === undefined ? undefined : artifactsOf(data.ARTIFACTS_URL, data),
    role: data.ROLE,
    nodeName: data.NODE_NAME ?? hostname(),
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
    allowedHosts: data.ALLOWED_HOSTS,
    keysRequired,
    ratePerMinute: data.RATE_LIMIT_PER_MINUTE,
    modelsFile: data.MODELS_FILE && resolve(data.MODELS_FILE),
    budgets: budgetsOf({
      job: data.BUDGET_JOB_USD,
      client: data.BUDGET_CLIENT_USD,
      day: data.BUDGET_DAY_USD,
      total: data.BUDGET_TOTAL_USD,
    }),
    webhookNetworks: data.WEBHOOK_ALLOWED_NETWORKS,
    retention: {
      eventsDays: data.RETAIN_EVENTS_DAYS,
      filmsDays: data.RETAIN_FILMS_DAYS,
      clipsDays: data.RETAIN_CLIPS_DAYS,
      inputsDays: data.RETAIN_INPUTS_DAYS,
      maxStoredBytes: data.MAX_STORED_GB ?? null,
    },
    shortClips: data.SHORT_CLIPS,
    drainMs: data.DRAIN_MS,
    minFreeDiskBytes: data.MIN_FREE_DISK_MB * 1e6,
    shutdownGraceMs: data.SHUTDOWN_GRACE_MS,
    logLevel: data.LOG_LEVEL,
  })
}

/** @throws {ConfigError} with one of two credentials */
function artifactsOf(url: string, env: z.output<typeof environment>): ArtifactsConfig {
  if (url.startsWith('file:')) return { kind: 'folder', directory: resolve(fileURLToPath(url)) }
  const [bucket = '', ...path] = url.slice('s3://'.length).split('/')
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = env
  if ((id === undefined) !== (secret === undefined))
    throw new ConfigError('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set together')
  const prefix = path.filter((part) => part !== '').join('/')
  return {
    kind: 's3',
    bucket,
    prefix: prefix === '' ? '' : `${prefix}/`,
    region: env.AWS_REGION ?? 'us-east-1',
    endpoint: env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL,
    credentials:
      id === undefined || secret === undefined
        ? undefined
        : { accessKeyId: id, secretAccessKey: secret, sessionToken: env.AWS_SESSION_TOKEN },
  }
}

const isLoopback = (host: string): boolean => {
  const name = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  return name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.'))
}

/** Includes servers that listen on this machine only, but have another name or URL: a proxy forwards to them. */
const isReachedByOthers = (hosts: readonly string[], publicBaseUrl: string | undefined): boolean =>
  !hosts.every(isLoopback) || (publicBaseUrl !== undefined && !isLoopback(new URL(publicBaseUrl).hostname))

const budgetsOf = (usdByName: Readonly<Record<string, number | undefined>>): Config['budgets'] =>
  Object.fromEntries(
    Object.entries(usdByName).flatMap(([name, dollars]) =>
      dollars === undefined ? [] : [[name, toMicros(dollars)]],
    ),
  )
