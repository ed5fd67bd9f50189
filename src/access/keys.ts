/**
 * API keys: created, listed, rotated, revoked and identified. Only a key's SHA-256 is stored. A key has 256 random bits,
 * which cannot be guessed, so a slow hash would only slow each request.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { RefusedError, invalidField, keyNotFound } from '../job/errors.ts'
import type { Actor } from '../job/event.ts'
import { type Key, parseKeyRequest, parseRotation, prefixOf } from '../job/key.ts'
import { logLine, type Log } from '../log.ts'
import {
  type KeptKey,
  countKeys,
  findKey,
  hasUsableKey,
  insertKey,
  listKeyNames,
  listKeys,
  rotateSecret,
  setLastUsed,
  setRevoked,
} from './key-rows.ts'
import { keptSecret, once, whole } from './idempotency.ts'
import type { Bound } from '../bind.ts'
import type { Host } from '../host.ts'
import type { Database, Reader } from '../store/database.ts'

/** A key with its secret, which is shown only once. */
export interface NewKey {
  readonly key: Key
  /** `wck_...`. A secret. */
  readonly secret: string
}

/**
 * A token that stands for a key for some time. `events` reads the events that its key sees, and nothing else: for browsers,
 * whose `EventSource` sends no header. `session` may do what its key may: a browser keeps it where no script reads it.
 */
export interface Token {
  /** `wce_...` or `wcs_...`. A secret. */
  readonly token: string
  /** ms since the epoch. */
  readonly expiresAt: number
}

/** A browser that is signed in. */
export interface Session {
  readonly key: Key
  /** ms since the epoch. */
  readonly expiresAt: number
}

export interface AccessContext {
  readonly database: Database
  readonly host: Host
  readonly log: Log
}

/** The names of the keys that created something; null: created without a key. */
export const namesOfKeys = (
  reader: Reader,
  ids: readonly (string | null)[],
): Promise<ReadonlyMap<string, string>> => listKeyNames(reader, [...new Set(ids.filter((id) => id !== null))])

const written = /^wck_([0-9a-f]{12})_[\w-]{43}$/
const tokenWritten = /^(wc[es])_([0-9a-f]{12})_(\d{10,12})_([\w-]{43})$/
/** A page fetches a new token, and the server renews a session that is used, before this one expires. */
const tokenKinds = {
  events: { prefix: 'wce', lastsMs: 15 * 60_000 },
  session: { prefix: 'wcs', lastsMs: 12 * 3_600_000 },
} as const

type TokenKind = keyof typeof tokenKinds
const secretBytes = 32
const mostKeys = 2000
const idBytes = 6
const useNotedEveryMs = 60_000

const hashOf = (secret: string): Uint8Array => createHash('sha256').update(secret).digest()

const factsOf = ({ hash: _hash, previousHash: _previousHash, ...key }: KeptKey): Key => key

/** Keys whose use is being written: of concurrent requests only one writes it. */
const noting = new Set<string>()

const newSecret = (context: AccessContext, id: string): string =>
  `${prefixOf(id)}_${Buffer.from(context.host.secret(secretBytes), 'hex').toString('base64url')}`

async function noteUse(context: AccessContext, { id, lastUsedAt }: Key, now: number): Promise<void> {
  const { database, log } = context
  if (noting.has(id) || (lastUsedAt !== null && now - lastUsedAt < useNotedEveryMs)) return
  noting.add(id)
  try {
    await database.transaction((tx) => setLastUsed(tx, id, now))
  } catch (error) {
    // A full disk must not refuse a request that only reads.
    logLine.keyUseNotNoted(log, error)
  } finally {
    noting.delete(id)
  }
}

/** The key that this secret currently belongs to. */
async function identified(
  context: AccessContext,
  secret: string,
): Promise<{ readonly key: KeptKey | undefined; readonly now: number }> {
  const { database, host } = context
  const id = written.exec(secret)?.[1]
  const key = id === undefined ? undefined : await findKey(database, id)
  const now = host.now()
  const isIts = key !== undefined && isUsable(key, now) && isSecretOf(key, secret, now)
  return { key: isIts ? key : undefined, now }
}

/** @throws {RefusedError} `invalid` */
export async function createKey(context: AccessContext, input: unknown, actor?: Actor): Promise<NewKey> {
  const { host, database, log } = context
  const request = parseKeyRequest(input)
  const now = host.now()
  const expiresAt = request.expires_at ?? null
  const { name } = request
  const id = host.secret(idBytes)
  const secret = newSecret(context, id)
  const { scopes, client_id: clientId = null } = request
  const createdBy = actor?.by ?? null
  const key = { id, name, scopes, clientId, hash: hashOf(secret), expiresAt, insertedAt: now, createdBy }
  const kept = await once<KeptKey>(database, actor, keptSecret, async (tx) => {
    if (expiresAt !== null && expiresAt <= now) throw invalidField('expires_at', 'must be in the future')
    if ((await countKeys(tx)) >= mostKeys)
      throw invalidField(
        '',
        `The limit of ${mostKeys} keys is reached (revoked keys count): rotate one instead`,
      )
    if ((await insertKey(tx, key)) === 0)
      throw invalidField('name', 'is the name of another key, possibly a revoked one: choose a new name')
    return (await findKey(tx, id))!
  })
  logLine.keyCreated(log, kept, actor?.by)
  return { key: factsOf(kept), secret }
}

/** All keys, oldest first, including revoked and expired ones. */
export const getKeys = async (context: AccessContext): Promise<readonly Key[]> =>
  (await listKeys(context.database)).map(factsOf)

/** Gives the key a new secret; the old one stays valid for the grace time. @throws {RefusedError} `key_not_found`, `key_refused`, `invalid` */
export async function rotateKey(
  context: AccessContext,
  id: string,
  input: unknown = {},
  actor?: Actor,
): Promise<NewKey> {
  const { host, database, log } = context
  const graceMs = parseRotation(input).grace_seconds * 1000
  const now = host.now()
  const secret = newSecret(context, id)
  const key = await once<KeptKey>(database, actor, keptSecret, async (tx) => {
    const until = graceMs === 0 ? null : now + graceMs
    const changed = await rotateSecret(tx, id, hashOf(secret), until, now)
    const found = await findKey(tx, id)
    if (!found) throw keyNotFound(id)
    if (changed === 0)
      throw new RefusedError('Key cannot be rotated', {
        code: 'key_refused',
        keyId: id,
        reason: `The key is ${found.revokedAt === null ? 'expired' : 'revoked'}: create another key`,
      })
    return found
  })
  logLine.keyRotated(log, key, actor?.by)
  return { key: factsOf(key), secret }
}

/** Revokes a key. Idempotent. @throws {RefusedError} `key_not_found` */
export async function revokeKey(context: AccessContext, id: string, actor?: Actor): Promise<Key> {
  const { database, host, log } = context
  const key = await once(database, actor, whole<Key>(), async (tx) => {
    await setRevoked(tx, id, host.now())
    const found = await findKey(tx, id)
    if (!found) throw keyNotFound(id)
    return factsOf(found)
  })
  logLine.keyRevoked(log, key, actor?.by)
  return key
}

/** The key of a secret; undefined if the secret is invalid for any reason. */
export async function identifyKey(context: AccessContext, secret: string): Promise<Key | undefined> {
  const { key, now } = await identified(context, secret)
  if (!key) return undefined
  await noteUse(context, key, now)
  return factsOf(key)
}

/** Creates a token of the key with this secret; it becomes invalid with the key and with the secret. @throws {RefusedError} `key_not_found` */
export async function createEventsToken(context: AccessContext, secret: string): Promise<Token> {
  const { key, now } = await identified(context, secret)
  if (!key) throw keyNotFound(written.exec(secret)?.[1] ?? '')
  return tokenOf('events', key, hashOf(secret), now)
}

/** The key of a token; undefined if the token is invalid for any reason. */
export const identifyEventsToken = async (context: AccessContext, token: string): Promise<Key | undefined> =>
  (await identifyToken(context, 'events', token))?.key

/** Signs a browser in with a key's secret; the session ends with the key and with the secret. Undefined if the secret is invalid. */
export async function createSession(
  context: AccessContext,
  secret: string,
): Promise<(Token & Session) | undefined> {
  const { key, now } = await identified(context, secret)
  if (!key) return undefined
  await noteUse(context, key, now)
  return { ...tokenOf('session', key, hashOf(secret), now), key: factsOf(key) }
}

/** The session of a token; undefined if the token is invalid for any reason. */
export async function identifySession(
  context: AccessContext,
  token: string,
): Promise<(Session & { readonly renewed: Token | undefined }) | undefined> {
  const found = await identifyToken(context, 'session', token)
  if (!found) return undefined
  const { key, hash, expiresAt, now } = found
  await noteUse(context, key, now)
  const isHalfOver = expiresAt - now < tokenKinds.session.lastsMs / 2
  const renewed = isHalfOver ? tokenOf('session', key, hash, now) : undefined
  const isLonger = renewed !== undefined && renewed.expiresAt > expiresAt
  return { key: factsOf(key), expiresAt, renewed: isLonger ? renewed : undefined }
}

function tokenOf(
  kind: TokenKind,
  { id, expiresAt, hash: current, previousUntil }: Omit<KeptKey, 'previousHash'>,
  hash: Uint8Array,
  now: number,
): Token {
  const { prefix, lastsMs } = tokenKinds[kind]
  const until = timingSafeEqual(hash, current) ? null : previousUntil
  const expires = Math.floor(Math.min(now + lastsMs, expiresAt ?? Infinity, until ?? Infinity) / 1000)
  const proof = tokenProof(kind, hash, expires).toString('base64url')
  return { token: `${prefix}_${id}_${expires}_${proof}`, expiresAt: expires * 1000 }
}

async function identifyToken({ host, database }: AccessContext, kind: TokenKind, token: string) {
  const [, prefix, id = '', seconds = '', proof = ''] = tokenWritten.exec(token) ?? []
  const now = host.now()
  const expiresAt = Number(seconds) * 1000
  if (prefix !== tokenKinds[kind].prefix || expiresAt <= now) return undefined
  const kept = await findKey(database, id)
  if (!kept || !isUsable(kept, now)) return undefined
  const given = Buffer.from(proof, 'base64url')
  const hash = validHashes(kept, now).find((one) =>
    timingSafeEqual(tokenProof(kind, one, Number(seconds)), given),
  )
  return hash && { key: kept, hash, expiresAt, now }
}

/** Whether any key is valid. */
export const hasKey = (context: AccessContext): Promise<boolean> =>
  hasUsableKey(context.database, context.host.now())

const isUsable = ({ revokedAt, expiresAt }: Key, now: number): boolean =>
  revokedAt === null && (expiresAt === null || expiresAt > now)

/** The hash of the key's secret, and of the previous secret during its grace time. */
const validHashes = ({ hash, previousHash, previousUntil }: KeptKey, now: number): readonly Uint8Array[] =>
  previousHash && previousUntil !== null && previousUntil > now ? [hash, previousHash] : [hash]

/** Signs with the hash of the key's secret, which only the server has: no token is stored, and rotating the key ends them. */
const tokenProof = (kind: TokenKind, hash: Uint8Array, expires: number): Buffer =>
  createHmac('sha256', hash).update(`${kind} until ${expires}`).digest()

/** Always compares both hashes, each in constant time, so that timing reveals nothing. */
function isSecretOf({ hash, previousHash, previousUntil }: KeptKey, secret: string, now: number): boolean {
  const given = hashOf(secret)
  const isCurrent = timingSafeEqual(given, hash)
  const isPrevious = timingSafeEqual(given, previousHash ?? new Uint8Array(given.length))
  return isCurrent || (isPrevious && previousUntil !== null && previousUntil > now)
}

/** The verbs to bind. */
export const keyVerbs = {
  createKey,
  keys: getKeys,
  rotateKey,
  revokeKey,
  identifyKey,
  createEventsToken,
  identifyEventsToken,
  createSession,
  identifySession,
  hasKey,
}

export type KeyVerbs = Bound<typeof keyVerbs>
