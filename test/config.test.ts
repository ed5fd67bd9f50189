import { availableParallelism, hostname } from 'node:os'
import { resolve } from 'node:path'
import { expect, it } from 'vitest'
import { readConfig } from '../src/config.ts'

it('has a default for everything', () => {
  expect(readConfig({})).toEqual({
    port: 4000,
    host: '127.0.0.1',
    dataDir: resolve('data'),
    databaseUrl: undefined,
    artifacts: undefined,
    role: 'all',
    nodeName: hostname(),
    ffmpegPath: undefined,
    localMaxConcurrency: availableParallelism(),
    replicate: undefined,
    publicBaseUrl: undefined,
    allowedHosts: [],
    keysRequired: false,
    ratePerMinute: 1200,
    modelsFile: undefined,
    budgets: {},
    webhookNetworks: [],
    retention: {
      eventsDays: 90,
      filmsDays: null,
      clipsDays: null,
      inputsDays: null,
      maxStoredBytes: null,
    },
    drainMs: 0,
    minFreeDiskBytes: 512e6,
    shortClips: 'hold',
    shutdownGraceMs: 5000,
    logLevel: 'info',
  })
  expect(readConfig({ PORT: '', HOST: '' })).toEqual(readConfig({}))
})

it('buys renders where there is a token, four at once and a second apart unless told otherwise', () => {
  expect(readConfig({ REPLICATE_API_TOKEN: 'r8_token' }).replicate).toEqual({
    token: 'r8_token',
    baseUrl: 'https://api.replicate.com',
    maxConcurrency: 4,
    startDelayMs: 1000,
    webhookSecrets: [],
  })
  expect(
    readConfig({
      REPLICATE_API_TOKEN: 'r8_token',
      REPLICATE_BASE_URL: 'http://127.0.0.1:4801/v1/',
      REPLICATE_MAX_CONCURRENCY: '8',
      REPLICATE_START_DELAY_MS: '0',
      REPLICATE_WEBHOOK_SECRETS: 'whsec_b25l,whsec_dHdv',
      PUBLIC_BASE_URL: 'https://films.example/coordinator/',
      BUDGET_DAY_USD: '25',
      BUDGET_CLIENT_USD: '0.50',
    }),
  ).toMatchObject({
    replicate: {
      baseUrl: 'http://127.0.0.1:4801',
      maxConcurrency: 8,
      startDelayMs: 0,
      webhookSecrets: ['whsec_b25l', 'whsec_dHdv'],
    },
    publicBaseUrl: 'https://films.example/coordinator',
    budgets: { day: 25_000_000, client: 500_000 },
  })
})

it('answers to more names, alone or with all names below them', () => {
  const ALLOWED_HOSTS = 'coordinator, my_service.default.svc, .films.example,*.example.com,10.0.0.7,fe80::1'
  expect(readConfig({ ALLOWED_HOSTS }).allowedHosts).toEqual(ALLOWED_HOSTS.split(/, ?/))
})

it.each([
  ['::1', '::1'],
  ['[::1]', '::1'],
  ['[::]', '::'],
  ['2001:0DB8:0::1', '2001:db8::1'],
  ['127.0.0.1', '127.0.0.1'],
  ['localhost', 'localhost'],
])('takes the address %s, also as a URL has it', (given, taken) => {
  expect(readConfig({ HOST: given, ALLOWED_HOSTS: given })).toMatchObject({
    host: taken,
    allowedHosts: [taken],
  })
})

it.each([
  [{}, false],
  [{ HOST: '127.8.0.1' }, false],
  [{ HOST: '::1' }, false],
  [{ HOST: '[::1]' }, false],
  [{ HOST: 'localhost' }, false],
  [{ HOST: '0.0.0.0' }, true],
  [{ HOST: '::' }, true],
  [{ HOST: 'films.internal' }, true],
  [{ HOST: '127.evil.example' }, true],
  [{ PUBLIC_BASE_URL: 'http://127.0.0.1:4000' }, false],
  [{ PUBLIC_BASE_URL: 'http://[::1]:4000' }, false],
  // On this machine alone, and others come by a proxy.
  [{ PUBLIC_BASE_URL: 'https://films.example' }, true],
  [{ ALLOWED_HOSTS: 'localhost' }, false],
  [{ ALLOWED_HOSTS: 'films.example' }, true],
  [{ ALLOWED_HOSTS: '*' }, true],
  [{ REQUIRE_KEYS: 'true' }, true],
  [{ REQUIRE_KEYS: 'false', HOST: '0.0.0.0' }, false],
])('%j needs keys: %j', (env, keysRequired) => {
  expect(readConfig(env)).toMatchObject({ keysRequired })
})

it.each([
  [{ PORT: '70000' }, 'PORT must be at most 65535'],
  [{ PORT: 'http' }, 'PORT must be a whole number'],
  [{ LOCAL_MAX_CONCURRENCY: '0' }, 'LOCAL_MAX_CONCURRENCY must be at least 1'],
  [{ FFMPEG_PATH: 'ffmpeg' }, 'FFMPEG_PATH must be an absolute path'],
  [{ REPLICATE_API_TOKEN: 'r8 token' }, 'REPLICATE_API_TOKEN must be a token'],
  [{ REPLICATE_BASE_URL: 'ftp://x' }, 'REPLICATE_BASE_URL must be an http(s) address'],
  [{ PUBLIC_BASE_URL: 'https://x/?a=b' }, 'PUBLIC_BASE_URL must have no query'],
  [{ REPLICATE_MAX_CONCURRENCY: '0' }, 'REPLICATE_MAX_CONCURRENCY must be at least 1'],
  [{ REPLICATE_WEBHOOK_SECRETS: 'secret' }, 'REPLICATE_WEBHOOK_SECRETS must be secrets'],
  [{ REQUIRE_KEYS: 'yes' }, 'REQUIRE_KEYS must be true or false'],
  [{ HOST: '127.0.0.1:4000' }, 'HOST must be an address or a name of this machine, without a port'],
  [{ HOST: '[::1]:4000' }, 'HOST must be an address'],
  [{ HOST: 'http://localhost' }, 'HOST must be an address'],
  [{ HOST: '*.example.com' }, 'HOST must be an address'],
  [{ ALLOWED_HOSTS: 'films.example:4000' }, 'ALLOWED_HOSTS must be host names without ports'],
  [{ ALLOWED_HOSTS: 'https://films.example' }, 'ALLOWED_HOSTS must be host names'],
  [{ ALLOWED_HOSTS: 'a.example,,b.example' }, 'ALLOWED_HOSTS must be host names'],
  [{ ALLOWED_HOSTS: '.' }, 'ALLOWED_HOSTS must be host names'],
  [{ ALLOWED_HOSTS: 'films.*.example' }, 'ALLOWED_HOSTS must be host names'],
  [{ ALLOWED_HOSTS: '*', REQUIRE_KEYS: 'false' }, 'ALLOWED_HOSTS=* needs keys'],
  [{ RATE_LIMIT_PER_MINUTE: '-1' }, 'RATE_LIMIT_PER_MINUTE must be a whole number'],
  [{ BUDGET_TOTAL_USD: '-5' }, 'BUDGET_TOTAL_USD must be a number of US dollars'],
  [{ SHUTDOWN_GRACE_MS: '-1', LOG_LEVEL: 'loud' }, /SHUTDOWN_GRACE_MS must be a whole number; LOG_LEVEL /],
])('%j is refused by its name', (env, message) => {
  expect(() => readConfig(env)).toThrow(message)
})

const onPostgres = {
  DATABASE_URL: 'postgres://me:pa55word@db:5432/films',
  ARTIFACTS_URL: 'file:///mnt/films',
}

it('shares rows in PostgreSQL and files in a folder or a bucket', () => {
  expect(readConfig({ ...onPostgres, ROLE: 'worker', NODE_NAME: 'w-1' })).toMatchObject({
    databaseUrl: onPostgres.DATABASE_URL,
    artifacts: { kind: 'folder', directory: '/mnt/films' },
    role: 'worker',
    nodeName: 'w-1',
  })
  expect(
    readConfig({
      ...onPostgres,
      ARTIFACTS_URL: 's3://films/one/two/',
      AWS_ACCESS_KEY_ID: 'id',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_ENDPOINT_URL: 'http://minio:9000/',
    }).artifacts,
  ).toEqual({
    kind: 's3',
    bucket: 'films',
    prefix: 'one/two/',
    region: 'us-east-1',
    endpoint: 'http://minio:9000',
    credentials: { accessKeyId: 'id', secretAccessKey: 'secret', sessionToken: undefined },
  })
  expect(readConfig({ ARTIFACTS_URL: 's3://films' }).artifacts).toMatchObject({
    prefix: '',
    credentials: undefined,
  })
})

it.each([
  'postgresql://db/films',
  'postgres://me:p@ss%40@one:5432,two:5433/films?sslmode=require'.replace('p@ss', 'pass'),
  'postgres://[::1]:5432/films',
  'postgresql://postgres@%2Ftmp%2Fpostgres/postgres',
  'postgresql:///films?host=/run/postgresql',
])('reaches PostgreSQL at %s', (url) => {
  expect(readConfig({ ...onPostgres, DATABASE_URL: url }).databaseUrl).toBe(url)
})

it.each([
  ['mysql://me:pa55word@db/films', 'DATABASE_URL must be a PostgreSQL URL'],
  ['postgres://me:pa55word@/films', 'DATABASE_URL must name a host'],
  ['postgres://me:pa55word@one:99999,two/films', 'DATABASE_URL must have hosts with ports'],
  ['postgres://me:p@ss/pa55word@one/films', 'DATABASE_URL must be a PostgreSQL URL'],
  ['postgres://me:pa55word@%zz/films', 'DATABASE_URL must have its special characters percent-encoded'],
])('refuses %s without showing its password', (url, reason) => {
  const refusal = reasonOf({ ...onPostgres, DATABASE_URL: url })
  expect(refusal).toContain(reason)
  expect(refusal).not.toContain('pa55word')
})

it('refuses half of what several nodes need', () => {
  expect(reasonOf({ DATABASE_URL: onPostgres.DATABASE_URL })).toMatch(/^DATABASE_URL needs ARTIFACTS_URL/)
  expect(reasonOf({ ROLE: 'api' })).toMatch(/^ROLE=api needs DATABASE_URL/)
  expect(reasonOf({ ...onPostgres, ROLE: 'boss' })).toBe('ROLE must be api, worker or all')
  expect(reasonOf({ ...onPostgres, ARTIFACTS_URL: 's3://UPPER' })).toMatch(/^ARTIFACTS_URL must be a bucket/)
  for (const path of ['a%zz', 'a%2Fb'])
    expect(reasonOf({ ...onPostgres, ARTIFACTS_URL: `file:///mnt/${path}` })).toMatch(
      /^ARTIFACTS_URL must have special characters/,
    )
  expect(reasonOf({ ...onPostgres, ARTIFACTS_URL: 's3://films', AWS_ACCESS_KEY_ID: 'id' })).toBe(
    'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set together',
  )
})

function reasonOf(env: Readonly<Record<string, string>>): string {
  try {
    readConfig(env)
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('nothing was refused')
}
