/**
 * Retention: lists what may be removed, oldest first, and removes its rows. `prune.ts` then removes the files of artifacts
 * that no row references any more.
 */
import { RefusedError } from '../job/errors.ts'
import { type StoredKind, storedKinds } from '../job/storage.ts'
import type { Reader, Transaction, Database } from '../store/database.ts'
import { insertFilm } from '../store/films.ts'
import { findJob } from '../store/jobs.ts'
import {
  type OldEvents,
  findAssetRemoved,
  findClipsRemoved,
  findFilmRemoved,
  findOldest,
  forgetClipsRemoved,
  forgetRenders,
  forgetSeams,
  listAssetsOfJobs,
  listChangedSince,
  listClipsOfJobs,
  listEndedSince,
  listInputsInFlight,
  listMissingAssets,
  listNamed,
  listOldAssets,
  listOldEvents,
  listOldFilms,
  listOldJobs,
  listOldRenders,
  listOldSeams,
  listOpenJobs,
  listSeamsOf,
  listWaitingForApproval,
  listWithoutFilm,
  nameFilms,
  removeAsset,
  deleteEvents,
  setClipsRemoved,
  setFilmRemoved,
} from './rows.ts'
import { eventBounds } from '../store/events.ts'
import type { Bound } from '../bind.ts'
import type { Host } from '../host.ts'

/** An old, unneeded item and the artifacts it references. `at`: its age as a time, ms since the epoch. */
export type Removable = { readonly at: number; readonly artifacts: readonly string[] } & (
  | { readonly what: 'film'; readonly jobId: number; readonly version: number }
  /** All clips of one job. */
  | { readonly what: 'clips'; readonly jobId: number }
  /** A stored clip or cross-fade that no job uses. */
  | { readonly what: 'render' | 'seam'; readonly key: string }
  | { readonly what: 'asset'; readonly key: string }
)
export type RemovableKind = Removable['what']

export const kindOf: Readonly<Record<RemovableKind, StoredKind>> = {
  film: 'films',
  clips: 'clips',
  render: 'clips',
  seam: 'clips',
  asset: 'inputs',
}

/** The photographs of open and recently ended jobs, as of an event. */
export interface InputsInUse {
  readonly assets: Set<string>
  asOf: number
}

export interface RetentionContext {
  readonly database: Database
  readonly host: Host
}

/** The resource that a reader requests. */
export type Wanted =
  | { readonly what: 'film'; readonly jobId: number; readonly artifact: string }
  | { readonly what: 'clip'; readonly jobId: number }
  | { readonly what: 'asset'; readonly assetId: string }

const eventsAtOnce = 200
const jobsAtOnce = 50
const changesAtOnce = 1000
/** One statement lists all clips of a job. */
const mostNamed = 500

const lists: {
  readonly [what in RemovableKind]: (
    reader: Reader,
    before: number,
    after: Removable | undefined,
    limit: number,
  ) => Promise<readonly Removable[]>
} = {
  film: async (reader, before, after, limit) => {
    const place = after?.what === 'film' ? after : undefined
    return (await listOldFilms(reader, before, place, limit)).map((film) => ({ what: 'film', ...film }))
  },
  clips: async (reader, before, after, limit) => {
    const place = after?.what === 'clips' ? { at: after.at, key: after.jobId } : undefined
    const jobs = await listOldJobs(reader, before, place, limit)
    const clips = await listClipsOfJobs(
      reader,
      jobs.map(({ jobId }) => jobId),
    )
    return jobs.map((job) => ({ what: 'clips', ...job, artifacts: [...clips.get(job.jobId)!] }))
  },
  render: async (reader, before, after, limit) =>
    (await listOldRenders(reader, before, placeOf(after), limit)).map(({ at, key, artifact }) => ({
      what: 'render',
      at,
      key,
      artifacts: [artifact],
    })),
  seam: async (reader, before, after, limit) =>
    (await listOldSeams(reader, before, placeOf(after), limit)).map(({ at, key, artifact }) => ({
      what: 'seam',
      at,
      key,
      artifacts: [artifact],
    })),
  asset: async (reader, before, after, limit) =>
    (await listOldAssets(reader, before, placeOf(after), limit)).map(({ at, key, master }) => ({
      what: 'asset',
      at,
      key,
      artifacts: [...new Set([key, master])],
    })),
}

/** Resolves to the artifacts it referenced, which may be unneeded now. */
async function letGoOf(
  context: RetentionContext,
  tx: Transaction,
  removable: Removable,
  before: number,
): Promise<readonly string[]> {
  const { host } = context
  const { artifacts } = removable
  const now = host.now()
  switch (removable.what) {
    case 'film':
      return (await setFilmRemoved(tx, removable, before, now)) > 0 ? artifacts : []
    case 'clips': {
      if ((await setClipsRemoved(tx, removable.jobId, before, now)) === 0) return []
      return [...artifacts, ...(await forgetClips(tx, artifacts, before))]
    }
    case 'render':
      return (await forgetRenders(tx, before, artifacts)) > 0 ? artifacts : []
    case 'seam':
      return (await forgetSeams(tx, before, artifacts)) > 0 ? artifacts : []
    case 'asset':
      await removeAsset(tx, removable.key, now)
      return artifacts
    default:
      return removable satisfies never
  }
}

async function addAssetsOf(
  context: RetentionContext,
  assets: Set<string>,
  jobIds: readonly number[],
): Promise<void> {
  const { database } = context
  for (let first = 0; first < jobIds.length; first += jobsAtOnce)
    for (const id of await listAssetsOfJobs(database, jobIds.slice(first, first + jobsAtOnce))) assets.add(id)
}

/** Adds the photographs of jobs that have changed meanwhile. */
export async function renewInputs(context: RetentionContext, inputs: InputsInUse): Promise<void> {
  const { database } = context
  for (;;) {
    const changed = await listChangedSince(database, 'settled_events', inputs.asOf, changesAtOnce)
    await addAssetsOf(context, inputs.assets, changed.jobIds)
    inputs.asOf = changed.event
    if (!changed.isMore) return
  }
}

/** A page of unneeded items older than `before`, oldest first. `after`: the last item of the previous page. */
export const listRemovable = (
  context: RetentionContext,
  what: RemovableKind,
  {
    before,
    after,
    limit,
  }: { readonly before: number; readonly after: Removable | undefined; readonly limit: number },
): Promise<readonly Removable[]> => lists[what](context.database, before, after, limit)

/** Removes the rows of items that are still unneeded. Resolves to the artifacts they referenced. */
export const letGo = (
  context: RetentionContext,
  removables: readonly Removable[],
  { before, inputs }: { readonly before: number; readonly inputs: InputsInUse },
): Promise<readonly string[]> =>
  context.database.transaction(async (tx) => {
    const changed = removables.some(({ what }) => what === 'asset')
      ? await listChangedSince(tx, 'events', inputs.asOf, changesAtOnce)
      : undefined
    const wanted = changed && (await listAssetsOfJobs(tx, changed.jobIds))
    const named: string[] = []
    for (const removable of removables) {
      // A job that uses the photograph may have been created since.
      const mayBeWanted =
        removable.what === 'asset' &&
        (changed?.isMore || wanted?.has(removable.key) || inputs.assets.has(removable.key))
      if (!mayBeWanted) named.push(...(await letGoOf(context, tx, removable, before)))
    }
    return [...new Set(named)]
  })

/** `endedSince`: includes jobs that ended at this time or later. */
export async function inputsInUse(context: RetentionContext, endedSince: number): Promise<InputsInUse> {
  const { database } = context
  const { latest } = await eventBounds(database)
  const inputs: InputsInUse = { assets: new Set(), asOf: latest }
  const all = pagesOf(
    (after: number | undefined) => listOpenJobs(database, after ?? 0, jobsAtOnce),
    (jobId) => jobId,
  )
  for await (const page of all) await addAssetsOf(context, inputs.assets, page)
  const waiting = pagesOf(
    (after: { readonly renderKey: string; readonly sceneId: string } | undefined) =>
      listWaitingForApproval(database, after ?? { renderKey: '', sceneId: '' }, jobsAtOnce),
    (scene) => scene,
  )
  for await (const page of waiting)
    await addAssetsOf(context, inputs.assets, [...new Set(page.map(({ jobId }) => jobId))])
  for (const clips of ['kept', 'removed'] as const) {
    const ended = pagesOf(
      (after: { readonly at: number; readonly key: number } | undefined) =>
        listEndedSince(database, endedSince, clips, after, jobsAtOnce),
      ({ at, jobId }) => ({ at, key: jobId }),
    )
    for await (const page of ended)
      await addAssetsOf(
        context,
        inputs.assets,
        page.map(({ jobId }) => jobId),
      )
  }
  await renewInputs(context, inputs)
  return inputs
}

/** A page of old events of ended jobs that have been fanned out to all endpoints. */
export const getOldEvents = (context: RetentionContext, before: number, after: number): Promise<OldEvents> =>
  listOldEvents(context.database, before, after, eventsAtOnce)

export const removeEvents = (context: RetentionContext, ids: readonly number[]): Promise<number> =>
  context.database.transaction((tx) => deleteEvents(tx, ids))

/** The kind of use of each artifact; unreferenced ones are left out. */
export async function namedArtifacts(
  context: RetentionContext,
  artifacts: readonly string[],
): Promise<ReadonlyMap<string, StoredKind>> {
  const { database } = context
  const kinds = new Map<string, StoredKind>()
  const isAsked = new Set(artifacts)
  for (const id of await listInputsInFlight(database)) if (isAsked.has(id)) kinds.set(id, 'inputs')
  for (const kind of storedKinds)
    for (const id of await listNamed(database, kind, artifacts)) if (!kinds.has(id)) kinds.set(id, kind)
  return kinds
}

/** Fills in the artifact columns of rows written by earlier versions of this program. */
export async function nameAll(context: RetentionContext): Promise<void> {
  const { database, host } = context
  for (;;) if ((await database.transaction((tx) => nameFilms(tx, eventsAtOnce))) === 0) break
  const without = pagesOf(
    (after: number | undefined) => listWithoutFilm(database, after ?? 0, eventsAtOnce),
    (jobId) => jobId,
  )
  for await (const page of without)
    for (const jobId of page) {
      const { film, endedAt } = (await findJob(database, jobId)) ?? { film: null, endedAt: null }
      if (film)
        await database.transaction((tx) =>
          insertFilm(tx, jobId, { manifest: film, chapters: null }, endedAt ?? host.now()),
        )
    }
}

export const getOldest = (
  context: RetentionContext,
): Promise<Readonly<Record<StoredKind | 'events', number | null>>> => findOldest(context.database)

/** @throws {RefusedError} `removed`, if it existed and was removed. */
export async function refuseRemoved(context: RetentionContext, wanted: Wanted): Promise<void> {
  const { database } = context
  const removedAt =
    wanted.what === 'film'
      ? await findFilmRemoved(database, wanted.jobId, wanted.artifact)
      : wanted.what === 'clip'
        ? (await findClipsRemoved(database, wanted.jobId))?.removedAt
        : await findAssetRemoved(database, wanted.assetId)
  if (removedAt === undefined) return
  throw wasRemoved(wanted.what, removedAt)
}

/** The artifacts of a job's clips. */
export const clipsOfJob = async (reader: Reader, jobId: number): Promise<readonly string[]> => [
  ...(await listClipsOfJobs(reader, [jobId])).get(jobId)!,
]

/** Removes a job's unneeded clips and cross-fades older than `before` from reuse. Resolves to the cross-fades. */
export async function forgetClips(
  tx: Transaction,
  clips: readonly string[],
  before: number,
): Promise<readonly string[]> {
  const all: string[] = []
  for (let first = 0; first < clips.length; first += mostNamed) {
    const some = clips.slice(first, first + mostNamed)
    const seams = await listSeamsOf(tx, some)
    await forgetRenders(tx, before, some)
    if (seams.length > 0) await forgetSeams(tx, before, seams)
    all.push(...seams)
  }
  return all
}

export function wasRemoved(wanted: Wanted['what'], removedAt: number): RefusedError {
  const { what, ...members } = said[wanted]
  return new RefusedError(`${what} was removed`, { code: 'removed', removedAt, ...members })
}

const said = {
  film: {
    what: 'Film',
    reason: 'Retention removed the film. Create the job again to get it back',
  },
  clip: {
    what: 'Clip',
    reason: 'Retention removed the clip. Create the job again to get it back',
  },
  asset: {
    what: 'Asset',
    reason: 'Retention removed the photograph, which no job needed. Upload it again',
  },
} as const

const placeOf = (after: Removable | undefined) =>
  after && 'key' in after ? { at: after.at, key: after.key } : undefined

/** All pages; the cursor is the last item of the previous page. */
async function* pagesOf<Item, Place>(
  read: (after: Place | undefined) => Promise<readonly Item[]>,
  placeAt: (item: Item) => Place,
): AsyncGenerator<readonly Item[]> {
  let after: Place | undefined
  for (;;) {
    const page = await read(after)
    if (page.length === 0) return
    yield page
    after = placeAt(page.at(-1)!)
  }
}

/**
 * A job can continue only while its clips and photographs exist. Call it in the transaction that continues the job, so that
 * nothing is removed in between. @throws {RefusedError} `job_refused`
 */
export async function requireFiles(tx: Transaction, jobId: number): Promise<void> {
  await requireClips(tx, jobId)
  await requireAssets(tx, jobId)
}

/** @throws {RefusedError} `job_refused`, if its clips were removed. */
export async function requireClips(tx: Transaction, jobId: number): Promise<void> {
  const removed = await findClipsRemoved(tx, jobId)
  if (!removed) return
  if (removed.hadClips)
    throw await cannotGoOn(
      tx,
      jobId,
      `The job's clips were removed at ${new Date(removed.removedAt).toISOString()}: create the job again`,
    )
  await forgetClipsRemoved(tx, jobId)
}

async function requireAssets(tx: Transaction, jobId: number): Promise<void> {
  const missing = await listMissingAssets(tx, jobId)
  if (missing.length > 0)
    throw await cannotGoOn(
      tx,
      jobId,
      `Photographs of this job were removed; upload them again first: ${missing.slice(0, 5).join(', ')}`,
    )
}

async function cannotGoOn(tx: Transaction, jobId: number, reason: string): Promise<RefusedError> {
  const job = await findJob(tx, jobId)
  return new RefusedError('Job cannot be rendered again', {
    code: 'job_refused',
    jobId,
    currentStatus: job?.status ?? 'unknown',
    reason,
  })
}

/** The verbs to bind for pruning. */
export const retentionVerbs = {
  removable: listRemovable,
  letGo,
  inputsInUse,
  renewInputs,
  oldEvents: getOldEvents,
  removeEvents,
  namedArtifacts,
  nameAll,
  oldest: getOldest,
}

export type RetentionVerbs = Bound<typeof retentionVerbs>
