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

export interface ArtifactStore {
  /**
   * Takes over a finished local file: after this it is gone from `path` and kept, synced, under its id.
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
  stat(id: string): Promise<StoredArtifact | undefined>
  /**
   * The bytes, or a part of them, read as the reader asks for them.
   * @throws {ArtifactError} `missing`.
   */
  read(id: string, range?: ByteRange): Promise<AsyncIterable<Uint8Array>>
  /**
   * A file on this machine that holds the bytes, for FFmpeg. It must not be written to or removed.
   * @throws {ArtifactError} `missing`.
   */
  localPath(id: string): Promise<string>
  /**
   * An empty folder for unfinished files, on the artifacts' own file system where that can be; removed with all that is in it by
   * `remove()`, or when the store is next opened after a crash.
   */
  workspace(): Promise<Workspace>
}

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
