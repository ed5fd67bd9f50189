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
  /** When it was last adopted or used: ms since the epoch. A store may round it up, by at most a quarter of an hour. */
  readonly usedAt: number
}

export interface ArtifactStore {
  /**
   * Moves a finished local file from `path` into the store, synced, under its id. If the store has it already, only the
   * time of its last use changes.
   * @throws {ArtifactError} `disk_full`; here as everywhere, `store_unavailable` if the bytes are not on this machine.
   */
  adopt(path: string): Promise<StoredArtifact>
  /**
   * Adopts files for `use`, which for example inserts a row that references them. If `use` fails on a full disk, a store
   * on that disk removes newly stored files again. Calls run one at a time, so that none removes a file another relies on.
   * @throws {ArtifactError} `disk_full`.
   */
  adoptFor<T>(paths: readonly string[], use: (stored: readonly StoredArtifact[]) => Promise<T>): Promise<T>
  /** An artifact's size and last use; undefined if it does not exist. */
  stat(id: string): Promise<ListedArtifact | undefined>
  /**
   * The bytes, or a range of them, read as the consumer pulls. A consumer that stops early ends the reading.
   * @throws {ArtifactError} `missing`.
   */
  read(id: string, range?: ByteRange): Promise<AsyncIterable<Uint8Array>>
  /** Notes a use. Resolves to whether the artifact exists; if so, the caller may rely on it as after `adopt`. */
  use(id: string): Promise<boolean>
  /**
   * An empty folder for unfinished files, on the artifacts' file system if possible. `remove()` deletes it with its content;
   * after a crash, the next opening of the store does.
   */
  workspace(): Promise<Workspace>
  /** The artifacts whose ids begin with two hex digits; a list of all could exceed the memory. */
  list(prefix: string): Promise<readonly ListedArtifact[]>
  /**
   * Removes an artifact unless it was used at `unusedSince` or later, even concurrently: a caller that adopts stored bytes
   * relies on them. Resolves to the bytes freed; 0 if it does not exist or stays.
   */
  remove(id: string, unusedSince: number): Promise<number>
  /** For `doctor` and `/readyz`: resolves to a short description; rejects with the problem. */
  check?(signal: AbortSignal): Promise<string>
}

/** All prefixes of ids. */
export const artifactPrefixes: readonly string[] = Array.from({ length: 256 }, (_, index) =>
  index.toString(16).padStart(2, '0'),
)

export interface Workspace {
  /** Absolute. */
  readonly directory: string
  /**
   * The path of a local file with an artifact's bytes, for FFmpeg, which stays until `remove()`. The caller must not write
   * or remove it. The call counts as a use.
   * @throws {ArtifactError} `missing`, `disk_full`.
   */
  localPath(id: string): Promise<string>
  remove(): Promise<void>
}

/**
 * - `missing`: the store does not have the artifact.
 * - `disk_full`: no room on this machine's disk or in the store.
 * - `store_unavailable`: the store cannot be reached, or refuses; the same call may succeed later.
 */
export class ArtifactError extends Error {
  readonly code: 'missing' | 'disk_full' | 'store_unavailable'
  constructor(code: ArtifactError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ArtifactError'
    this.code = code
  }
}

const idPattern = /^[0-9a-f]{64}$/

export const isArtifactId = (text: string): boolean => idPattern.test(text)

export const missingArtifact = (id: string): ArtifactError =>
  new ArtifactError('missing', `artifact ${isArtifactId(id) ? id : JSON.stringify(id)} is not in the store`)
