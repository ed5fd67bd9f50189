/** This installation's id at providers, and the secret that signs the URLs given to them. */
import type { Host } from '../../host.ts'
import type { Actor } from '../../job/event.ts'
import { parseRotation } from '../../job/key.ts'
import { type Log, logLine } from '../../log.ts'
import type { Database } from '../../store/database.ts'
import { installationOf, replaceSecret } from '../../store/provider.ts'
import { once, whole } from '../../access/idempotency.ts'

/** Times: ms since the epoch. */
export interface SecretRotation {
  readonly rotatedAt: number
  /** Until when URLs signed with the previous secret stay valid; null: they became invalid at once. */
  readonly previousUntil: number | null
}

export interface Installation {
  /** Distinguishes our renders from others of the same account: 12 hex digits. */
  readonly id: string
  /** Secrets: the first signs URLs, the others are still accepted. */
  secrets(): readonly string[]
  /** Reads the secrets again: another node may have replaced them. */
  refresh(): Promise<void>
  /** Signs with a new secret from now on; accepts the previous one for the grace time. @throws {RefusedError} `invalid` */
  rotateSecret(request?: unknown, actor?: Actor): Promise<SecretRotation>
}

export interface InstallationOptions {
  readonly database: Database
  readonly host: Host
  readonly log: Log
}

/** Cached in memory, for each request is signed or verified by it; another node's rotation comes with `refresh`. */
export async function openInstallation({ database, host, log }: InstallationOptions): Promise<Installation> {
  const freshSecret = (): string => host.secret(32)
  let kept = await database.transaction((tx) =>
    installationOf(tx, { id: host.secret(6), secret: freshSecret() }),
  )
  return {
    id: kept.id,

    secrets: () => {
      const now = host.now()
      return [kept.secret, ...kept.previous.filter(({ until }) => until > now).map(({ secret }) => secret)]
    },

    async refresh() {
      kept = await database.transaction((tx) => installationOf(tx, kept))
    },

    async rotateSecret(input = {}, actor) {
      const graceMs = parseRotation(input).grace_seconds * 1000
      const now = host.now()
      const until = graceMs === 0 ? null : now + graceMs
      const secret = freshSecret()
      const rotation = await once(database, actor, whole<SecretRotation>(), async (tx) => {
        const replaced = await replaceSecret(tx, secret, until, now)
        tx.afterCommit(() => (kept = replaced))
        return { rotatedAt: now, previousUntil: until }
      })
      logLine.secretRotated(log, rotation.previousUntil, actor?.by)
      return rotation
    },
  }
}
