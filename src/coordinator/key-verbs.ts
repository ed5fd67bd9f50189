/**
 * Keys: made, listed, rotated, revoked, and told from what is none. Of a key only its SHA-256 is kept. It is 256 random
 * bits, which nobody finds by trying, so a slow hash would only make each request slow.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { Host } from '../host.ts'
import { RefusedError, invalidField, keyNotFound } from '../job/errors.ts'
import type { Asked } from '../job/event.ts'
import { type Key, parseKeyRequest, parseRotation, prefixOf } from '../job/key.ts'
import { type Log, logLine } from '../log.ts'
import type { Database } from '../store/database.ts'
import {
  type KeptKey,
  countKeys,
  findKey,
  hasUsableKey,
  insertKey,
  listKeys,
  rotateSecret,
  setLastUsed,
  setRevoked,
} from '../store/keys.ts'
import { keptSecret, once, whole } from './idempotent.ts'

/** A key with the text that lets its holder in: told this once, and known to nobody afterwards. */
export interface NewKey {
  readonly key: Key
  /** `wck_...`. A secret. */
  readonly secret: string
}

/** Follows the events that a key sees, and does nothing else; for browsers, which can send no header with an `EventSource`. */
export interface EventsToken {
  /** `wce_...`. A secret. */
  readonly token: string
  /** ms since the epoch. */
  readonly expiresAt: number
}

export interface KeyVerbs {
  /** @throws {RefusedError} `invalid` */
  createKey(request: unknown, asked?: Asked): Promise<NewKey>
  /** All of them, also those that let nobody in any more; oldest first. */
  keys(): Promise<readonly Key[]>
  /** A new secret for the key; the old one is taken for the grace time. @throws {RefusedError} `key_not_found`, `key_refused`, `invalid` */
  rotateKey(id: string, request?: unknown, asked?: Asked): Promise<NewKey>
  /** The key lets nobody in from now on. One that was revoked before stays as it was. @throws {RefusedError} `key_not_found` */
  revokeKey(id: string, asked?: Asked): Promise<Key>
  /** Whose text this is; undefined for one that lets nobody in, whatever the reason. */
  identifyKey(secret: string): Promise<Key | undefined>
  /** A token of the key that has this secret, which ends with the key and with the secret. @throws {RefusedError} `key_not_found` */
  createEventsToken(secret: string): Promise<EventsToken>
  /** Whose token this is; undefined for one that lets nobody in, whatever the reason. */
  identifyEventsToken(token: string): Promise<Key | undefined>
  /** Whether anybody could be let in. */
  hasKey(): Promise<boolean>
}

export interface KeyVerbsOptions {
  readonly database: Database
  readonly host: Host
  readonly log: Log
}

const written = /^wck_([0-9a-f]{12})_[\w-]{43}$/
const tokenWritten = /^wce_([0-9a-f]{12})_(\d{10,12})_([\w-]{43})$/
/** A page makes another one before it ends. */
const tokenMs = 15 * 60_000
const secretBytes = 32
const mostKeys = 2000
const idBytes = 6
const useNotedEveryMs = 60_000

const hashOf = (secret: string): Uint8Array => createHash('sha256').update(secret).digest()

const factsOf = ({ hash: _hash, previousHash: _previousHash, ...key }: KeptKey): Key => key

export function createKeyVerbs({ database, host, log }: KeyVerbsOptions): KeyVerbs {
  const newSecret = (id: string): string =>
    `${prefixOf(id)}_${Buffer.from(host.secret(secretBytes), 'hex').toString('base64url')}`

  /** Keys whose use is being written: of many requests at once one does. */
  const noting = new Set<string>()
  const noteUse = async ({ id, lastUsedAt }: Key, now: number): Promise<void> => {
    if (noting.has(id) || (lastUsedAt !== null && now - lastUsedAt < useNotedEveryMs)) return
    noting.add(id)
    try {
      await database.transaction((tx) => setLastUsed(tx, id, now))
    } catch (error) {
      // Who may read must not be kept out by a full disk.
      logLine.keyUseNotNoted(log, error)
    } finally {
      noting.delete(id)
    }
  }

  /** Whose secret this is now. */
  const identified = async (
    secret: string,
  ): Promise<{ readonly key: KeptKey | undefined; readonly now: number }> => {
    const id = written.exec(secret)?.[1]
    const key = id === undefined ? undefined : await findKey(database, id)
    const now = host.now()
    const isIts = key !== undefined && isUsable(key, now) && isSecretOf(key, secret, now)
    return { key: isIts ? key : undefined, now }
  }

  return {
    async createKey(input, asked) {
      const request = parseKeyRequest(input)
      const now = host.now()
      const expiresAt = request.expires_at ?? null
      const { name } = request
      const id = host.secret(idBytes)
      const secret = newSecret(id)
      const { scopes, client_id: clientId = null } = request
      const key = { id, name, scopes, clientId, hash: hashOf(secret), expiresAt, insertedAt: now }
      const kept = await once<KeptKey>(database, asked, keptSecret, async (tx) => {
        if (expiresAt !== null && expiresAt <= now) throw invalidField('expires_at', 'must be in the future')
        if ((await countKeys(tx)) >= mostKeys)
          throw invalidField(
            '',
            `There are ${mostKeys} keys, and those that are revoked stay: rotate one instead`,
          )
        if ((await insertKey(tx, key)) === 0)
          throw invalidField('name', 'is the name of another key, which may be revoked: choose a new one')
        return (await findKey(tx, id))!
      })
      logLine.keyCreated(log, kept, asked?.by)
      return { key: factsOf(kept), secret }
    },

    keys: async () => (await listKeys(database)).map(factsOf),

    async rotateKey(id, input = {}, asked) {
      const graceMs = parseRotation(input).grace_seconds * 1000
      const now = host.now()
      const secret = newSecret(id)
      const key = await once<KeptKey>(database, asked, keptSecret, async (tx) => {
        const until = graceMs === 0 ? null : now + graceMs
        const changed = await rotateSecret(tx, id, hashOf(secret), until, now)
        const found = await findKey(tx, id)
        if (!found) throw keyNotFound(id)
        if (changed === 0)
          throw new RefusedError('Key cannot be rotated', {
            code: 'key_refused',
            keyId: id,
            reason: `It is ${found.revokedAt === null ? 'expired' : 'revoked'}: create another one`,
          })
        return found
      })
      logLine.keyRotated(log, key, asked?.by)
      return { key: factsOf(key), secret }
    },

    async revokeKey(id, asked) {
      const key = await once(database, asked, whole<Key>(), async (tx) => {
        await setRevoked(tx, id, host.now())
        const found = await findKey(tx, id)
        if (!found) throw keyNotFound(id)
        return factsOf(found)
      })
      logLine.keyRevoked(log, key, asked?.by)
      return key
    },

    async identifyKey(secret) {
      const { key, now } = await identified(secret)
      if (!key) return undefined
      await noteUse(key, now)
      return factsOf(key)
    },

    async createEventsToken(secret) {
      const { key, now } = await identified(secret)
      if (!key) throw keyNotFound(written.exec(secret)?.[1] ?? '')
      const hash = hashOf(secret)
      const until = timingSafeEqual(hash, key.hash) ? null : key.previousUntil
      const expires = Math.floor(Math.min(now + tokenMs, key.expiresAt ?? Infinity, until ?? Infinity) / 1000)
      const token = `wce_${key.id}_${expires}_${tokenProof(hash, expires).toString('base64url')}`
      return { token, expiresAt: expires * 1000 }
    },

    async identifyEventsToken(token) {
      const [, id = '', seconds = '', proof = ''] = tokenWritten.exec(token) ?? []
      const now = host.now()
      if (id === '' || Number(seconds) * 1000 <= now) return undefined
      const key = await findKey(database, id)
      if (!key || !isUsable(key, now)) return undefined
      const given = Buffer.from(proof, 'base64url')
      const isOurs = validHashes(key, now).some((hash) =>
        timingSafeEqual(tokenProof(hash, Number(seconds)), given),
      )
      return isOurs ? factsOf(key) : undefined
    },

    hasKey: () => hasUsableKey(database, host.now()),
  }
}

const isUsable = ({ revokedAt, expiresAt }: Key, now: number): boolean =>
  revokedAt === null && (expiresAt === null || expiresAt > now)

/** Of the key's secret, and of the one before while it counts. */
const validHashes = ({ hash, previousHash, previousUntil }: KeptKey, now: number): readonly Uint8Array[] =>
  previousHash && previousUntil !== null && previousUntil > now ? [hash, previousHash] : [hash]

/** By the hash of the key's secret, which only we have: nothing has to be kept, and a rotated key's tokens end. */
const tokenProof = (hash: Uint8Array, expires: number): Buffer =>
  createHmac('sha256', hash).update(`events until ${expires}`).digest()

/** Both are compared whatever the first says, and each in a time that doesn't tell how much of it was right. */
function isSecretOf({ hash, previousHash, previousUntil }: KeptKey, secret: string, now: number): boolean {
  const given = hashOf(secret)
  const isCurrent = timingSafeEqual(given, hash)
  const isPrevious = timingSafeEqual(given, previousHash ?? new Uint8Array(given.length))
  return isCurrent || (isPrevious && previousUntil !== null && previousUntil > now)
}
