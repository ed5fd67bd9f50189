import type { Chapter } from '../job/chapter.ts'
import type { FilmManifest } from '../job/job.ts'
import type { Reader, Row, Transaction } from './database.ts'
import { json, number, numberOrNull } from './sql.ts'

export interface PublishedFilm {
  readonly manifest: FilmManifest
  /** Its scenes as they were; null of films that an earlier version of this program made. */
  readonly chapters: readonly Chapter[] | null
}

/** A published version of a film. The newest is the job's film; earlier ones can still be downloaded. */
export interface FilmVersion extends PublishedFilm {
  /** From 1. */
  readonly version: number
  readonly insertedAt: number
  /** When its bytes were removed; null while they are kept. */
  readonly removedAt: number | null
}

function filmOf(row: Row): FilmVersion {
  const { chapters = null, ...manifest } = json<FilmManifest & Partial<PublishedFilm>>(row, 'manifest')
  return {
    version: number(row, 'version'),
    manifest,
    chapters,
    insertedAt: number(row, 'inserted_at'),
    removedAt: numberOrNull(row, 'removed_at'),
  }
}

/** The version of the job's newest film; 0 without one. */
export async function newestFilm(tx: Transaction, jobId: number): Promise<number> {
  // The sum keeps PostgreSQL from reading the end of the ordered index, where the films of other jobs are written.
  const row = await tx.get('select max(version + 0) as version from films where job_id = $1', [jobId])
  return (row && numberOrNull(row, 'version')) ?? 0
}

/** Stores the next version of a job's film, whose number the caller has. */
export const insertFilmVersion = (
  tx: Transaction,
  { jobId, version }: { readonly jobId: number; readonly version: number },
  { manifest, chapters }: PublishedFilm,
  now: number,
): Promise<void> =>
  tx.write(
    `insert into films (job_id, version, manifest, film, thumbnail, inserted_at) values ($1, $2, $3, $4, $5, $6)`,
    [jobId, version, JSON.stringify({ ...manifest, chapters }), manifest.film.id, manifest.thumbnail.id, now],
  )

/** Resolves to the number of the new version. */
export async function insertFilm(
  tx: Transaction,
  jobId: number,
  film: PublishedFilm,
  now: number,
): Promise<number> {
  const version = (await newestFilm(tx, jobId)) + 1
  await insertFilmVersion(tx, { jobId, version }, film, now)
  return version
}

/** Most versions in a list; jobs rarely have more. */
export const mostVersions = 200

/** The newest versions, newest first. */
export const listFilms = async (reader: Reader, jobId: number): Promise<readonly FilmVersion[]> =>
  (
    await reader.all(`select * from films where job_id = $1 order by version desc limit ${mostVersions}`, [
      jobId,
    ])
  ).map(filmOf)

export async function findFilm(
  reader: Reader,
  jobId: number,
  version: number,
): Promise<FilmVersion | undefined> {
  const row = await reader.get('select * from films where job_id = $1 and version = $2', [jobId, version])
  return row && filmOf(row)
}
