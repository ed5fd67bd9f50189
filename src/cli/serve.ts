/** The command that runs the server. Unlike the others, it handles signals itself and writes a log. */
import { CommandError } from './command-error.ts'
import { type Command, command } from './command.ts'

const environment = {
  PORT: 'where it listens (default: 4000)',
  HOST: 'the address it listens at (default: 127.0.0.1)',
  DATA_DIR: 'its database and files (default: ./data)',
  ALLOWED_HOSTS: 'more names it answers to, with commas; .example.com means all below it, too',
  REQUIRE_KEYS:
    'true or false (default: true if others can reach the server: HOST or ALLOWED_HOSTS is not this machine only, or PUBLIC_BASE_URL is set)',
  RATE_LIMIT_PER_MINUTE: 'requests for each key; 0: no limit (default: 1200)',
  FFMPEG_PATH: 'absolute path of an FFmpeg (default: the one that npm installed)',
  LOCAL_MAX_CONCURRENCY: 'renders at once (default: as many as cores)',
  WEBHOOK_ALLOWED_NETWORKS:
    'networks beside the public internet that webhooks may be sent to, such as 10.0.0.0/8, with commas',
  MIN_FREE_DISK_MB:
    'room on its disk that is kept for paid clips: with less it accepts no uploads and no jobs, starts no renders and is not ready (default: 512)',
  DRAIN_MS: 'how long it still answers, not ready, when it is stopped (default: 0)',
  RETAIN_FILMS_DAYS: 'how long films are kept after their job has ended (default: for ever)',
  RETAIN_CLIPS_DAYS: 'the same for clips',
  RETAIN_INPUTS_DAYS: 'the same for photographs',
  RETAIN_EVENTS_DAYS: 'how long events are kept (default: 90)',
  MAX_STORED_GB: 'the oldest files go when more is stored (default: no limit)',
  SHUTDOWN_GRACE_MS: 'how long running work may take to end when it is stopped (default: 5000)',
  LOG_LEVEL: 'debug, info, warn, error or silent (default: info)',
} as const

const nodes = {
  DATABASE_URL:
    'PostgreSQL of all nodes, such as postgres://user:password@host:5432/database (default: not set, SQLite in DATA_DIR)',
  ARTIFACTS_URL:
    'files of all nodes: s3://bucket/prefix, or a folder that all of them mount, such as file:///mnt/films (default: DATA_DIR)',
  ROLE: 'api answers requests, worker runs tasks, all does both (default: all)',
  NODE_NAME: "shown in lists and logs (default: the machine's name)",
  AWS_ACCESS_KEY_ID: 'key of the bucket (default: what AWS gives this machine)',
  AWS_SECRET_ACCESS_KEY: 'its secret',
  AWS_SESSION_TOKEN: 'its session, if it is temporary',
  AWS_REGION: 'region of the bucket (default: us-east-1)',
  AWS_ENDPOINT_URL_S3: "a server that speaks S3 (default: AWS's for the region)",
  AWS_ENDPOINT_URL: 'the same for all services',
} as const

const replicate = {
  REPLICATE_API_TOKEN: 'a token of your account (default: not set, everything is rendered on this machine)',
  PUBLIC_BASE_URL:
    'where Replicate reaches this server (default: not set, pictures are uploaded, and results are polled)',
  REPLICATE_MAX_CONCURRENCY: 'renders there at once (default: 4)',
  REPLICATE_START_DELAY_MS: 'the least time between two starts (default: 1000)',
  REPLICATE_WEBHOOK_SECRETS: 'webhook secrets beside those fetched from Replicate, with commas',
  REPLICATE_BASE_URL: 'its API (default: https://api.replicate.com)',
  MODELS_FILE: 'more models and prices, beside those built in',
  SHORT_CLIPS:
    'hold or take: a paid clip that is much shorter than was paid for is held for a person, or taken (default: hold)',
  BUDGET_JOB_USD: 'the most that each job may spend (default: no limit)',
  BUDGET_CLIENT_USD: 'the same for each client',
  BUDGET_DAY_USD: 'the same for a day',
  BUDGET_TOTAL_USD: 'the same in all',
} as const

export const serve: Command = command(
  {
    summary: 'run the server until SIGTERM or Ctrl-C',
    options: {},
    lists: {
      'Environment:': environment,
      'For several nodes:': nodes,
      'To render at Replicate, which costs money:': replicate,
    },
  },
  async ({ env }) => {
    // Imported here: the other commands do not need these modules.
    const main = await import('../main.ts')
    await main.serve(env).catch((error: unknown) => {
      // For a port or folder in use, or a wrong variable, the message is enough.
      const isKnown = error instanceof Error && ('code' in error || error.name === 'ConfigError')
      throw isKnown ? new CommandError(error.message, 1, { cause: error }) : error
    })
  },
)
