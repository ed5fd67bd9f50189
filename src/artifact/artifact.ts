/** The port to stored bytes: photographs, clips, films. Each is named by its SHA-256 and never changes. */

export interface StoredArtifact {
  /** SHA-256 of the bytes, 64 hex characters. */
  readonly id: string
  /** Bytes. */
  readonly size: number
}

export interface ByteRange {
  /** First byte, 0-based. */
  readonly start: number
  /** Last byte, inclusive. */
  readonly end: number
}

export interface ListedArtifact extends StoredArtifact {
  /** When it was last adopted, or asked for as a file: ms since the epoch. */
  readonly usedAt: number
}

export interface ArtifactStore {
  /**
   * Takes over a finished local file: after this it is gone from `path` and kept, synced, under its id. One that is
   * there already is as if used now.
   * @throws {ArtifactError} `disk_full`.
   */
  adopt(path: string): Promise<StoredArtifact>
  /**
   * Adopts files for what `use` makes of them, such as a row that names them. Where `use` finds no room for that, those
   * that were not kept before are removed again. One caller at a time, so that none removes what another relies on.
   * @throws {ArtifactError} `disk_full`.
   */
  adoptFor<T>(paths: readonly string[], use: (stored: readonly StoredArtifact[]) => Promise<T>): Promise<T>
  /** What is known of an artifact, or undefined where there is none. */
  stat(id: string): Promise<ListedArtifact | undefined>
  /**
   * The bytes, or a part of them, read as the reader asks for them.
   * @throws {ArtifactError} `missing`.
   */
  read(id: string, range?: ByteRange): Promise<AsyncIterable<Uint8Array>>
  /**
   * A file on this machine that holds the bytes, for FFmpeg. It must not be written to or removed. That it was asked for
   * is noted as its last use.
   * @throws {ArtifactError} `missing`.
   */
  localPath(id: string): Promise<string>
  /**
   * An empty folder for unfinished files, on the artifacts' own file system where that can be; removed with all that is in it by
   * `remove()`, or when the store is next opened after a crash.
   */
  workspace(): Promise<Workspace>
  /** Those whose ids begin with two hex digits: all of them together would be too many to hold at once. */
  list(prefix: string): Promise<readonly ListedArtifact[]>
  /**
   * Removes an artifact, unless it was used at `unusedSince` or later, even if that happens just now: who adopts bytes that are
   * there already relies on them. Resolves to the bytes that became free; 0 where it is not there, or stays.
   */
  remove(id: string, unusedSince: number): Promise<number>
  /** For `doctor` and `/readyz`: resolves to what was found, in a few words; rejects with what is wrong. */
  check?(signal: AbortSignal): Promise<string>
}

/** All that ids can begin with. */
export const artifactPrefixes: readonly string[] = Array.from({ length: 256 }, (_, index) =>
  index.toString(16).padStart(2, '0'),
)

export interface Workspace {
  /** Absolute. */
  readonly directory: string
  remove(): Promise<void>
}

export class ArtifactError extends Error {
  readonly code: 'missing' | 'disk_full'
  constructor(code: ArtifactError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ArtifactError'
    this.code = code
  }
}
