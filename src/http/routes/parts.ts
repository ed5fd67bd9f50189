/** What the endpoints work with. The optional parts depend on how the server was started. */
import type { ArtifactStore } from '../../artifact/artifact.ts'
import type { Coordinator } from '../../coordinator/coordinator.ts'
import type { Installation } from '../../coordinator/attempt/installation.ts'
import type { Feed } from '../../events/feed.ts'
import type { Asset } from '../../job/asset.ts'
import type { PruneReport, StorageReport } from '../../job/storage.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Readiness } from '../../telemetry/readiness.ts'
import type { BodyLimits } from '../edge/body.ts'
import type { Share } from '../edge/shared-answer.ts'
import type { EventStreams } from '../edge/event-stream.ts'

export interface Parts {
  readonly coordinator: Coordinator
  readonly artifacts: ArtifactStore
  readonly takeAsset: TakeAsset
  readonly readiness: Pick<Readiness, 'now'>
  readonly limits: BodyLimits
  readonly share: Share
  /** Whether requests need a key. */
  readonly keysRequired: boolean
  readonly events?: { readonly feed: Feed; readonly streams: EventStreams } | undefined
  /** Call it when a key has ended: it ends the key's event streams. */
  readonly recheckStreams: () => void
  readonly metrics?: Pick<Metrics, 'text' | 'contentType'> | undefined
  readonly storage?: Storage | undefined
  readonly previews?: Previews | undefined
  readonly installation?: Pick<Installation, 'rotateSecret'> | undefined
  readonly addresses?: SignedAddresses | undefined
  readonly gate?: ProviderGate | undefined
}

/** The optional parts. */
export type Need = 'events' | 'metrics' | 'storage' | 'previews' | 'installation' | 'addresses' | 'gate'

/** Stores a photograph. @throws {RefusedError} `asset_refused`, if the bytes are not one */
export type TakeAsset = (
  bytes: AsyncIterable<Uint8Array>,
  upload: { readonly uploader: string; readonly signal: AbortSignal },
) => Promise<Asset>

/** Small pictures of what is not rendered yet, as ids of artifacts. @throws {RefusedError} `scene_not_found`, `asset_not_found` */
export interface Previews {
  /** `reader`: aborted when nobody waits for the answer any more. */
  scene(
    jobId: number,
    sceneId: string,
    reader: AbortSignal,
  ): Promise<{ readonly clip: string; readonly frame: string }>
  photograph(assetId: string): Promise<string>
}

export interface Storage {
  storage(): Promise<StorageReport>
  now(options: { readonly isDryRun: boolean }): Promise<PruneReport>
}

/** Addresses that prove by themselves what they allow. */
export interface SignedAddresses {
  /** What others reach this server by; empty where it was not configured. */
  readonly base: string
  /** The query that makes an address valid until then, ms since the epoch. */
  sign(text: string, until?: number): string
  /** `ended`: this server, or another node, signed it, and its time is over. */
  check(text: string, proof: AddressProof): Promise<'valid' | 'ended' | 'wrong'>
}

/** The signature in the query of an address. */
export interface AddressProof {
  readonly expires: string | undefined
  readonly signature: string | undefined
}

/** Verifies requests at the addresses for providers. Nothing else guards them, so a provider needs no key. */
export interface ProviderGate {
  /** Whether this server, or another node, signed the text, and the signature has not expired. */
  isOurs(text: string, proof: AddressProof): boolean | Promise<boolean>
  /** Whether the provider signed this message recently. */
  isProviders(message: {
    readonly headers: Readonly<Record<'id' | 'timestamp' | 'signature', string | undefined>>
    readonly rawBody: Uint8Array
  }): Promise<{ readonly ok: boolean }>
}
