/** Statements that find removable items, oldest first, and the artifacts that rows still reference. */
import type { FilmManifest } from '../job/job.ts'
import { activeJobStatuses, finalJobStatuses, inFlightAttemptStatuses } from '../job/lifecycle.ts'
import type { Reader, Row, SqlValue, Transaction } from '../store/database.ts'
import { json, number, numberOrNull, quoted, text } from '../store/sql.ts'

const places = (values: readonly SqlValue[], first = 1): string =>
  values.map((_, index) => `$${index + first}`).join(', ')

const isFinal = `jobs.status in (${quoted(finalJobStatuses)})`
/** The job must have its clips: they were not removed, or it continues after their removal. */
const hasItsClips = `(jobs.clips_removed_at is null or not (${isFinal}))`
/** A completed job with a changed scene that waits for approval: it may continue. */
const waitsForApproval = `(jobs.status = 'completed'
  and exists (select 1 from scenes where scenes.job_id = jobs.id and scenes.status = 'pending'))`

/** A cursor in a list, oldest first. */
export interface AgePlace {
  /** ms since the epoch. */
  readonly at: number
  /** Orders items of the same moment. */
  readonly key: string | number
}

const none: AgePlace = { at: -1, key: 0 }

export interface OldFilm {
  readonly jobId: number
  readonly version: number
  readonly at: number
  readonly artifacts: readonly string[]
}

// A completed job's newest film is as old as the job's end; earlier versions are superseded.
const isOldFilm = `films.removed_at is null and ${isFinal} and (jobs.ended_at < $1
  or films.version < (select max(newer.version) from films newer where newer.job_id = films.job_id))`

export const listOldFilms = async (
  reader: Reader,
  before: number,
  after: { readonly at: number; readonly jobId: number; readonly version: number } | undefined,
  limit: number,
): Promise<readonly OldFilm[]> =>
  (
    await reader.all(
      `select films.* from films join jobs on jobs.id = films.job_id
       where ${isOldFilm} and films.inserted_at < $1
         and (films.inserted_at, films.job_id, films.version) > ($2, $3, $4)
       order by films.inserted_at, films.job_id, films.version limit $5`,
      [before, after?.at ?? -1, after?.jobId ?? 0, after?.version ?? 0, limit],
    )
  ).map((row) => {
    const { film, thumbnail } = json<FilmManifest>(row, 'manifest')
    return {
      jobId: number(row, 'job_id'),
      version: number(row, 'version'),
      at: number(row, 'inserted_at'),
      artifacts: [film.id, thumbnail.id],
    }
  })

/** Resolves to the rows changed, here and below: 0 if the item is needed by now. */
export const setFilmRemoved = (
  tx: Transaction,
  { jobId, version }: OldFilm,
  before: number,
  now: number,
): Promise<number> =>
  tx.run(
    `update films set removed_at = $4 where job_id = $2 and version = $3
       and exists (select 1 from jobs where jobs.id = films.job_id and ${isOldFilm})`,
    [before, jobId, version, now],
  )

/** Jobs that ended before a time and still have their clips. */
export const listOldJobs = async (
  reader: Reader,
  before: number,
  after: AgePlace = none,
  limit: number,
): Promise<readonly { readonly jobId: number; readonly at: number }[]> =>
  (
    await reader.all(
      `select id, ended_at from jobs
       where ended_at is not null and clips_removed_at is null and ended_at < $1 and (ended_at, id) > ($2, $3)
         and not ${waitsForApproval}
       order by ended_at, id limit $4`,
      [before, after.at, after.key, limit],
    )
  ).map((row) => ({ jobId: number(row, 'id'), at: number(row, 'ended_at') }))

export const listClipsOfJobs = async (
  reader: Reader,
  jobIds: readonly number[],
): Promise<ReadonlyMap<number, ReadonlySet<string>>> => {
  const clips = new Map(jobIds.map((id) => [id, new Set<string>()]))
  if (jobIds.length === 0) return clips
  const rows = await reader.all(
    `select job_id, clip, source from scenes where job_id in (${places(jobIds)}) and clip is not null
     union select job_id, fetched, null from attempts where job_id in (${places(jobIds)}) and fetched is not null`,
    jobIds,
  )
  for (const row of rows)
    for (const id of [row.clip, row.source])
      if (typeof id === 'string') clips.get(number(row, 'job_id'))!.add(id)
  return clips
}

export const setClipsRemoved = (
  tx: Transaction,
  jobId: number,
  before: number,
  now: number,
): Promise<number> =>
  tx.run(
    `update jobs set clips_removed_at = $3
     where id = $2 and ended_at < $1 and clips_removed_at is null and not ${waitsForApproval}`,
    [before, jobId, now],
  )

/** Undoes the mark of a job without clips, of which nothing was removed. */
export const forgetClipsRemoved = (tx: Transaction, jobId: number): Promise<number> =>
  tx.run('update jobs set clips_removed_at = null where id = $1', [jobId])

const isClipOfKeptJob = (artifact: string): string =>
  `(exists (select 1 from scenes join jobs on jobs.id = scenes.job_id
      where scenes.clip = ${artifact} and ${hasItsClips})
    or exists (select 1 from scenes join jobs on jobs.id = scenes.job_id
      where scenes.source = ${artifact} and scenes.source <> scenes.clip and ${hasItsClips}))`

// A paid clip that its scene has not used yet: the scene uses it when its job is retried.
const isPaidFor = (attempt: string): string => `exists (select 1 from attempts
    join scenes on scenes.id = attempts.scene_id and scenes.attempt_id = attempts.id
    join jobs on jobs.id = scenes.job_id
  where attempts.id = ${attempt} and attempts.fetched is not null and scenes.status <> 'completed' and ${hasItsClips})`

// A clip that a scene waits for, or is using, saves a render.
const isUnneededRender = `renders.inserted_at < $1 and not ${isClipOfKeptJob('renders.artifact')}
  and not ${isPaidFor('renders.attempt_id')}
  and not exists (select 1 from scenes join jobs on jobs.id = scenes.job_id
    where scenes.render_key = renders.render_key and scenes.status = 'pending'
      and jobs.status not in ('failed', 'cancelled'))
  and renders.render_key not in (select scenes.render_key from jobs cross join scenes
    where jobs.status in (${quoted(activeJobStatuses)}) and scenes.job_id = jobs.id and scenes.status = 'processing')`

const isUnneededSeam = `seams.inserted_at < $1
  and not (${isClipOfKeptJob('seams.left_clip')} and ${isClipOfKeptJob('seams.right_clip')})`

export interface OldArtifact extends AgePlace {
  readonly key: string
  readonly artifact: string
}

const oldArtifactOf = (row: Row): OldArtifact => ({
  at: number(row, 'at'),
  key: text(row, 'key'),
  artifact: text(row, 'artifact'),
})

/** Stored clips that no job uses. */
export const listOldRenders = async (
  reader: Reader,
  before: number,
  after: AgePlace = { at: -1, key: '' },
  limit: number,
): Promise<readonly OldArtifact[]> =>
  (
    await reader.all(
      `select inserted_at as at, render_key as key, artifact from renders
       where ${isUnneededRender} and (inserted_at, render_key) > ($2, $3)
       order by inserted_at, render_key limit $4`,
      [before, after.at, after.key, limit],
    )
  ).map(oldArtifactOf)

export const listOldSeams = async (
  reader: Reader,
  before: number,
  after: AgePlace = { at: -1, key: '' },
  limit: number,
): Promise<readonly OldArtifact[]> =>
  (
    await reader.all(
      `select inserted_at as at, artifact as key, artifact from seams
       where ${isUnneededSeam} and (inserted_at, artifact) > ($2, $3)
       order by inserted_at, artifact limit $4`,
      [before, after.at, after.key, limit],
    )
  ).map(oldArtifactOf)

/** Deletes stored clips with these artifacts that nothing needs. */
export const forgetRenders = (tx: Transaction, before: number, artifacts: readonly string[]) =>
  tx.run(`delete from renders where artifact in (${places(artifacts, 2)}) and ${isUnneededRender}`, [
    before,
    ...artifacts,
  ])

export const forgetSeams = (tx: Transaction, before: number, artifacts: readonly string[]) =>
  tx.run(`delete from seams where artifact in (${places(artifacts, 2)}) and ${isUnneededSeam}`, [
    before,
    ...artifacts,
  ])

/** The cross-fades from or to one of these clips. */
export const listSeamsOf = async (reader: Reader, clips: readonly string[]): Promise<readonly string[]> =>
  (
    await reader.all(
      `select artifact from seams where left_clip in (${places(clips)})
       union select artifact from seams where right_clip in (${places(clips)})`,
      clips,
    )
  ).map((row) => text(row, 'artifact'))

export interface OldAsset extends AgePlace {
  readonly key: string
  readonly master: string
}

export const listOldAssets = async (
  reader: Reader,
  before: number,
  after: AgePlace = { at: -1, key: '' },
  limit: number,
): Promise<readonly OldAsset[]> =>
  (
    await reader.all(
      `select id, master, inserted_at from assets where inserted_at < $1 and (inserted_at, id) > ($2, $3)
       order by inserted_at, id limit $4`,
      [before, after.at, after.key, limit],
    )
  ).map((row) => ({ at: number(row, 'inserted_at'), key: text(row, 'id'), master: text(row, 'master') }))

export async function removeAsset(tx: Transaction, id: string, now: number): Promise<void> {
  await tx.run('delete from assets where id = $1', [id])
  await tx.run(
    `insert into removed_assets (id, removed_at) values ($1, $2)
     on conflict (id) do update set removed_at = $2`,
    [id, now],
  )
}

/** Pending and active jobs, by id. */
export const listOpenJobs = async (
  reader: Reader,
  after: number,
  limit: number,
): Promise<readonly number[]> =>
  (
    await reader.all(
      `select id from jobs where status in ('pending', ${quoted(activeJobStatuses)}) and id > $1 order by id limit $2`,
      [after, limit],
    )
  ).map((row) => number(row, 'id'))

/** Completed jobs with a scene that waits for approval; one entry for each such scene. */
export const listWaitingForApproval = async (
  reader: Reader,
  after: { readonly renderKey: string; readonly sceneId: string },
  limit: number,
): Promise<readonly { readonly renderKey: string; readonly sceneId: string; readonly jobId: number }[]> =>
  (
    await reader.all(
      `select scenes.render_key, scenes.id, scenes.job_id from scenes join jobs on jobs.id = scenes.job_id
       where scenes.status = 'pending' and jobs.status = 'completed' and (scenes.render_key, scenes.id) > ($1, $2)
       order by scenes.render_key, scenes.id limit $3`,
      [after.renderKey, after.sceneId, limit],
    )
  ).map((row) => ({
    renderKey: text(row, 'render_key'),
    sceneId: text(row, 'id'),
    jobId: number(row, 'job_id'),
  }))

/** Jobs that ended at a time or later. */
export const listEndedSince = async (
  reader: Reader,
  since: number,
  clips: 'kept' | 'removed',
  after: AgePlace = none,
  limit: number,
): Promise<readonly { readonly jobId: number; readonly at: number }[]> =>
  (
    await reader.all(
      `select id, ended_at from jobs
       where ended_at is not null and clips_removed_at is ${clips === 'kept' ? 'null' : 'not null'}
         and ended_at >= $1 and (ended_at, id) > ($2, $3)
       order by ended_at, id limit $4`,
      [since, after.at, after.key, limit],
    )
  ).map((row) => ({ jobId: number(row, 'id'), at: number(row, 'ended_at') }))

/** Jobs with events after a given event: the settled ones, to continue after the last, or all that are committed. */
export async function listChangedSince(
  reader: Reader,
  events: 'settled_events' | 'events',
  event: number,
  limit: number,
): Promise<{ readonly jobIds: readonly number[]; readonly event: number; readonly isMore: boolean }> {
  const rows = await reader.all(`select id, job_id from ${events} where id > $1 order by id limit $2`, [
    event,
    limit,
  ])
  return {
    jobIds: [...new Set(rows.map((row) => number(row, 'job_id')))],
    event: rows.length > 0 ? number(rows.at(-1)!, 'id') : event,
    isMore: rows.length === limit,
  }
}

export async function listAssetsOfJobs(reader: Reader, jobIds: readonly number[]): Promise<Set<string>> {
  if (jobIds.length === 0) return new Set()
  const rows = await reader.all(
    `select distinct asset_ids from scenes where job_id in (${places(jobIds)})`,
    jobIds,
  )
  return new Set(rows.flatMap((row) => json<string[]>(row, 'asset_ids')))
}

/** The missing pictures of scenes still to be rendered. */
export async function listMissingAssets(reader: Reader, jobId: number): Promise<readonly string[]> {
  const rows = await reader.all(`select asset_ids from scenes where job_id = $1 and status <> 'completed'`, [
    jobId,
  ])
  const wanted = [...new Set(rows.flatMap((row) => json<string[]>(row, 'asset_ids')))]
  if (wanted.length === 0) return []
  const there = await reader.all(`select id from assets where id in (${places(wanted)})`, wanted)
  const known = new Set(there.map((row) => row.id))
  return wanted.filter((id) => !known.has(id))
}

/** When a job's clips were removed, and whether it had any. */
export async function findClipsRemoved(
  reader: Reader,
  jobId: number,
): Promise<{ readonly removedAt: number; readonly hadClips: boolean } | undefined> {
  const row = await reader.get(
    `select clips_removed_at, exists (select 1 from scenes where job_id = $1 and (clip is not null
       or attempt_id in (select id from attempts where job_id = $1 and fetched is not null))) as had
     from jobs where id = $1 and clips_removed_at is not null`,
    [jobId],
  )
  return row && { removedAt: number(row, 'clips_removed_at'), hadClips: Number(row.had) === 1 }
}

const removedAtOf = (row: Row | undefined): number | undefined => row && number(row, 'removed_at')

export const findFilmRemoved = async (
  reader: Reader,
  jobId: number,
  film: string,
): Promise<number | undefined> =>
  removedAtOf(
    await reader.get(
      `select max(removed_at) as removed_at from films
       where job_id = $1 and (film = $2 or thumbnail = $2) and removed_at is not null having count(*) > 0`,
      [jobId, film],
    ),
  )

export const findAssetRemoved = async (reader: Reader, id: string): Promise<number | undefined> =>
  removedAtOf(await reader.get('select removed_at from removed_assets where id = $1', [id]))

/** Films of an earlier version of this program, which name their artifacts only in the manifest. */
export async function nameFilms(tx: Transaction, limit: number): Promise<number> {
  const rows = await tx.all('select job_id, version, manifest from films where film is null limit $1', [
    limit,
  ])
  for (const row of rows) {
    const { film, thumbnail } = json<FilmManifest>(row, 'manifest')
    await tx.run('update films set film = $3, thumbnail = $4 where job_id = $1 and version = $2', [
      number(row, 'job_id'),
      number(row, 'version'),
      film.id,
      thumbnail.id,
    ])
  }
  return rows.length
}

const named = {
  films: `select film as id from films where film in (?) and removed_at is null
    union select thumbnail from films where thumbnail in (?) and removed_at is null`,
  clips: `select clip as id from scenes join jobs on jobs.id = scenes.job_id where clip in (?) and ${hasItsClips}
    union select source from scenes join jobs on jobs.id = scenes.job_id
      where source in (?) and source <> clip and ${hasItsClips}
    union select fetched from attempts paid where fetched in (?) and status = 'succeeded'
      and (clip is null or ${isPaidFor('paid.id')})
    union select artifact from renders where artifact in (?)
    union select artifact from seams where artifact in (?)`,
  inputs: `select id from assets where id in (?) union select master from assets where master in (?)`,
} as const

/** Those of the artifacts that rows of a kind reference. */
export const listNamed = async (
  reader: Reader,
  kind: keyof typeof named,
  artifacts: readonly string[],
): Promise<readonly string[]> =>
  artifacts.length === 0
    ? []
    : (await reader.all(named[kind].replaceAll('?', places(artifacts)), artifacts)).map((row) =>
        text(row, 'id'),
      )

/** All artifacts that rows reference. */
export async function listAllNamed(reader: Reader): Promise<ReadonlySet<string>> {
  const ids = new Set<string>()
  for (const statement of Object.values(named))
    for (const row of await reader.all(statement.replaceAll(' in (?)', ' is not null')))
      ids.add(text(row, 'id'))
  return ids
}

/** The pictures of attempts in flight, which the provider may still fetch. */
export const listInputsInFlight = async (reader: Reader): Promise<ReadonlySet<string>> =>
  new Set(
    (
      await reader.all(
        `select inputs from attempts where status in (${quoted(inFlightAttemptStatuses)}) and inputs <> '[]'`,
      )
    ).flatMap((row) => json<string[]>(row, 'inputs')),
  )

/** The last event that was fanned out to all endpoints. */
export async function findEventsRead(reader: Reader): Promise<number> {
  const row = await reader.get(
    `select case when exists (select 1 from webhook_endpoints where status = 'enabled')
       then (select min(event_id) from webhook_state) else (select coalesce(max(id), 0) from settled_events) end as id`,
  )
  return number(row!, 'id')
}

export interface OldEvents {
  readonly ids: readonly number[]
  /** The last event examined. */
  readonly after: number
  readonly isMore: boolean
}

/** A page of the log: its old events of ended jobs. The newest event stays, since ids continue from it. */
export async function listOldEvents(
  reader: Reader,
  before: number,
  after: number,
  limit: number,
): Promise<OldEvents> {
  const until = await findEventsRead(reader)
  const rows = await reader.all(
    `select events.id, events.inserted_at, jobs.id as job_id, jobs.ended_at from events
     left join jobs on jobs.id = events.job_id
     where events.id > $1 and events.id <= $2 and events.id < (select max(id) from events)
     order by events.id limit $3`,
    [after, until, limit],
  )
  const isOld = (row: Row): boolean => number(row, 'inserted_at') < before
  const old = rows.filter(isOld)
  return {
    ids: old
      .filter((row) => row.job_id === null || numberOrNull(row, 'ended_at') !== null)
      .map((row) => number(row, 'id')),
    after: rows.length > 0 ? number(rows.at(-1)!, 'id') : after,
    isMore: rows.length === limit && old.length > 0,
  }
}

export async function deleteEvents(tx: Transaction, ids: readonly number[]): Promise<number> {
  if (ids.length === 0) return 0
  await tx.run('update removed_events set until = $1 where until < $1', [Math.max(...ids)])
  const deleted = (
    await tx.all(
      `select id from deleted_jobs where id in (select job_id from events where id in (${places(ids)}))`,
      ids,
    )
  ).map((row) => number(row, 'id'))
  const removed = await tx.run(
    `delete from events where id in (${places(ids)})
       and not exists (select 1 from jobs where jobs.id = events.job_id and jobs.ended_at is null)`,
    ids,
  )
  if (deleted.length > 0)
    await tx.run(
      `delete from deleted_jobs where id in (${places(deleted)})
         and not exists (select 1 from events where events.job_id = deleted_jobs.id)`,
      deleted,
    )
  return removed
}

/** The time of the oldest item of each kind, ms since the epoch. */
export async function findOldest(reader: Reader) {
  const row = (await reader.get(
    `select (select inserted_at from events where id = (select min(id) from events)) as events,
       (select min(inserted_at) from films where removed_at is null) as films,
       (select min(inserted_at) from renders) as clips,
       (select min(inserted_at) from assets) as inputs`,
  ))!
  return {
    events: numberOrNull(row, 'events'),
    films: numberOrNull(row, 'films'),
    clips: numberOrNull(row, 'clips'),
    inputs: numberOrNull(row, 'inputs'),
  }
}

/** Completed jobs of versions in which films had no rows. */
export const listWithoutFilm = async (
  reader: Reader,
  after: number,
  limit: number,
): Promise<readonly number[]> =>
  (
    await reader.all(
      `select id from jobs where status = 'completed' and id > $1
         and not exists (select 1 from films where films.job_id = jobs.id)
       order by id limit $2`,
      [after, limit],
    )
  ).map((row) => number(row, 'id'))
