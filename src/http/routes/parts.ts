/** What the endpoints work with; its optional parts are there where the server was started with them. */
import type { ArtifactStore } from '../../artifact/artifact.ts'
import type { Coordinator } from '../../coordinator/coordinator.ts'
import type { Installation } from '../../coordinator/attempt/installation.ts'
import type { Feed } from '../../events/feed.ts'
import type { Asset } from '../../job/asset.ts'
import type { PruneReport, StorageReport } from '../../job/storage.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Readiness } from '../../telemetry/readiness.ts'
import type { BodyLimits } from '../edge/body.ts'
import type { EventStreams } from '../edge/event-stream.ts'

export interface Parts {
  readonly coordinator: Coordinator
  readonly artifacts: ArtifactStore
  readonly takeAsset: TakeAsset
  readonly readiness: Pick<Readiness, 'now'>
  readonly limits: BodyLimits
  readonly events?: { readonly feed: Feed; readonly streams: EventStreams } | undefined
  readonly metrics?: Pick<Metrics, 'text' | 'contentType'> | undefined
  readonly storage?: Storage | undefined
  readonly installation?: Pick<Installation, 'rotateSecret'> | undefined
  readonly gate?: ProviderGate | undefined
}

/** The optional parts. */
export type Need = 'events' | 'metrics' | 'storage' | 'installation' | 'gate'

/** Keeps a photograph if it is one. @throws {RefusedError} `asset_refused` */
export type TakeAsset = (
  bytes: AsyncIterable<Uint8Array>,
  upload: { readonly uploader: string; readonly signal: AbortSignal },
) => Promise<Asset>

export interface Storage {
  storage(): Promise<StorageReport>
  now(options: { readonly isDryRun: boolean }): Promise<PruneReport>
}

/** What proves a request at the addresses that providers get; nothing else guards them, so that a provider needs no key. */
export interface ProviderGate {
  /** Whether this server signed the text, and the address that says so has not ended. */
  isOurs(
    text: string,
    proof: { readonly expires: string | undefined; readonly signature: string | undefined },
  ): boolean
  /** Whether the provider signed this message, lately. */
  isProviders(message: {
    readonly headers: Readonly<Record<'id' | 'timestamp' | 'signature', string | undefined>>
    readonly rawBody: Uint8Array
  }): Promise<{ readonly ok: boolean }>
}
