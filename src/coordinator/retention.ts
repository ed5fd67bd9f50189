/**
 * What is not kept for ever: what may go, oldest first, and the transactions in which it does. Rows let go of artifacts
 * here; their files are removed afterwards, by who keeps them (`pipeline/prune.ts`), where no row names them any more.
 */
import type { Host } from '../host.ts'
import { RefusedError } from '../job/errors.ts'
import type { EventType } from '../job/event.ts'
import { type StoredKind, storedKinds } from '../job/storage.ts'
import type { Database, Transaction } from '../store/database.ts'
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
  removeEvents,
  setClipsRemoved,
  setFilmRemoved,
} from '../store/retention.ts'
import { eventBounds } from '../store/events.ts'
import type { Tell } from './tell.ts'

/** Something old that nothing needs, and the artifacts that it names. `at`: how old, ms since the epoch. */
export type Removable = { readonly at: number; readonly artifacts: readonly string[] } & (
  | { readonly what: 'film'; readonly jobId: number; readonly version: number }
  /** Of one job. */
  | { readonly what: 'clips'; readonly jobId: number }
  /** A clip, or a cross-fade, that no job has any more. */
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

/** The photographs that jobs need which go on, or ended lately; as of an event. */
export interface InputsInUse {
  readonly assets: Set<string>
  asOf: number
}

/** What an artifact is asked for as. */
export type Wanted =
  | { readonly what: 'film'; readonly jobId: number; readonly artifact: string }
  | { readonly what: 'clip'; readonly jobId: number }
  | { readonly what: 'asset'; readonly assetId: string }

export interface RetentionVerbs {
  /** What is older than `before` and not needed, oldest first, after the last one of the page before. */
  removable(
    what: RemovableKind,
    page: { readonly before: number; readonly after: Removable | undefined; readonly limit: number },
  ): Promise<readonly Removable[]>
  /** Lets go of what is still not needed. Resolves to the artifacts that were named by it. */
  letGo(
    removables: readonly Removable[],
    options: { readonly before: number; readonly inputs: InputsInUse },
  ): Promise<readonly string[]>
  /** `endedSince`: also of jobs that ended then or later. */
  inputsInUse(endedSince: number): Promise<InputsInUse>
  /** With what has changed meanwhile. */
  renewInputs(inputs: InputsInUse): Promise<void>
  /** A page of the log's old events, of jobs that have ended, and which everybody has been told of. */
  oldEvents(before: number, after: number): Promise<OldEvents>
  removeEvents(ids: readonly number[]): Promise<number>
  /** What each artifact is kept for; one that no row names is not in it. */
  namedArtifacts(artifacts: readonly string[]): Promise<ReadonlyMap<string, StoredKind>>
  /** Makes rows of earlier versions of this program name their artifacts as those of today do. */
  nameAll(): Promise<void>
  oldest(): Promise<Readonly<Record<StoredKind | 'events', number | null>>>
  /** @throws {RefusedError} `removed`, where it was there once. */
  refuseRemoved(wanted: Wanted): Promise<void>
}

export interface RetentionOptions {
  readonly database: Database
  readonly host: Host
}

const eventsAtOnce = 200
const jobsAtOnce = 50
const changesAtOnce = 1000
/** Of a job that was let go, all clips are named in one statement. */
const mostNamed = 500

export function createRetention({ database, host }: RetentionOptions): RetentionVerbs {
  const lists: {
    readonly [what in RemovableKind]: (
      before: number,
      after: Removable | undefined,
      limit: number,
    ) => Promise<readonly Removable[]>
  } = {
    film: async (before, after, limit) => {
      const place = after?.what === 'film' ? after : undefined
      return (await listOldFilms(database, before, place, limit)).map((film) => ({ what: 'film', ...film }))
    },
    clips: async (before, after, limit) => {
      const place = after?.what === 'clips' ? { at: after.at, key: after.jobId } : undefined
      const jobs = await listOldJobs(database, before, place, limit)
      const clips = await listClipsOfJobs(
        database,
        jobs.map(({ jobId }) => jobId),
      )
      return jobs.map((job) => ({ what: 'clips', ...job, artifacts: [...clips.get(job.jobId)!] }))
    },
    render: async (before, after, limit) =>
      (await listOldRenders(database, before, placeOf(after), limit)).map(({ at, key, artifact }) => ({
        what: 'render',
        at,
        key,
        artifacts: [artifact],
      })),
    seam: async (before, after, limit) =>
      (await listOldSeams(database, before, placeOf(after), limit)).map(({ at, key, artifact }) => ({
        what: 'seam',
        at,
        key,
        artifacts: [artifact],
      })),
    asset: async (before, after, limit) =>
      (await listOldAssets(database, before, placeOf(after), limit)).map(({ at, key, master }) => ({
        what: 'asset',
        at,
        key,
        artifacts: [...new Set([key, master])],
      })),
  }

  /** Resolves to the artifacts that it named and that may be needed no more. */
  const letGoOf = async (
    tx: Transaction,
    removable: Removable,
    before: number,
  ): Promise<readonly string[]> => {
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

  const addAssetsOf = async (assets: Set<string>, jobIds: readonly number[]): Promise<void> => {
    for (let first = 0; first < jobIds.length; first += jobsAtOnce)
      for (const id of await listAssetsOfJobs(database, jobIds.slice(first, first + jobsAtOnce)))
        assets.add(id)
  }

  const renewInputs = async (inputs: InputsInUse): Promise<void> => {
    for (;;) {
      const changed = await listChangedSince(database, inputs.asOf, changesAtOnce)
      await addAssetsOf(inputs.assets, changed.jobIds)
      inputs.asOf = changed.event
      if (!changed.isMore) return
    }
  }

  return {
    removable: (what, { before, after, limit }) => lists[what](before, after, limit),

    letGo: (removables, { before, inputs }) =>
      database.transaction(async (tx) => {
        const changed = removables.some(({ what }) => what === 'asset')
          ? await listChangedSince(tx, inputs.asOf, changesAtOnce)
          : undefined
        const wanted = changed && (await listAssetsOfJobs(tx, changed.jobIds))
        const named: string[] = []
        for (const removable of removables) {
          // A job may have come for it since.
          const mayBeWanted =
            removable.what === 'asset' &&
            (changed?.isMore || wanted?.has(removable.key) || inputs.assets.has(removable.key))
          if (!mayBeWanted) named.push(...(await letGoOf(tx, removable, before)))
        }
        return [...new Set(named)]
      }),

    async inputsInUse(endedSince) {
      const { latest } = await eventBounds(database)
      const inputs: InputsInUse = { assets: new Set(), asOf: latest }
      const all = pagesOf(
        (after: number | undefined) => listOpenJobs(database, after ?? 0, jobsAtOnce),
        (jobId) => jobId,
      )
      for await (const page of all) await addAssetsOf(inputs.assets, page)
      const waiting = pagesOf(
        (after: { readonly renderKey: string; readonly sceneId: string } | undefined) =>
          listWaitingForApproval(database, after ?? { renderKey: '', sceneId: '' }, jobsAtOnce),
        (scene) => scene,
      )
      for await (const page of waiting)
        await addAssetsOf(inputs.assets, [...new Set(page.map(({ jobId }) => jobId))])
      for (const clips of ['kept', 'removed'] as const) {
        const ended = pagesOf(
          (after: { readonly at: number; readonly key: number } | undefined) =>
            listEndedSince(database, endedSince, clips, after, jobsAtOnce),
          ({ at, jobId }) => ({ at, key: jobId }),
        )
        for await (const page of ended)
          await addAssetsOf(
            inputs.assets,
            page.map(({ jobId }) => jobId),
          )
      }
      await renewInputs(inputs)
      return inputs
    },

    renewInputs,

    oldEvents: (before, after) => listOldEvents(database, before, after, eventsAtOnce),

    removeEvents: (ids) => database.transaction((tx) => removeEvents(tx, ids)),

    async namedArtifacts(artifacts) {
      const kinds = new Map<string, StoredKind>()
      const isAsked = new Set(artifacts)
      for (const id of await listInputsInFlight(database)) if (isAsked.has(id)) kinds.set(id, 'inputs')
      for (const kind of storedKinds)
        for (const id of await listNamed(database, kind, artifacts)) if (!kinds.has(id)) kinds.set(id, kind)
      return kinds
    },

    async nameAll() {
      for (;;) if ((await database.transaction((tx) => nameFilms(tx, eventsAtOnce))) === 0) break
      const without = pagesOf(
        (after: number | undefined) => listWithoutFilm(database, after ?? 0, eventsAtOnce),
        (jobId) => jobId,
      )
      for await (const page of without)
        for (const jobId of page) {
          const { film, endedAt } = (await findJob(database, jobId)) ?? { film: null, endedAt: null }
          if (film) await database.transaction((tx) => insertFilm(tx, jobId, film, endedAt ?? host.now()))
        }
    },

    oldest: () => findOldest(database),

    async refuseRemoved(wanted) {
      const removedAt =
        wanted.what === 'film'
          ? await findFilmRemoved(database, wanted.jobId, wanted.artifact)
          : wanted.what === 'clip'
            ? (await findClipsRemoved(database, wanted.jobId))?.removedAt
            : await findAssetRemoved(database, wanted.assetId)
      if (removedAt === undefined) return
      throw wasRemoved(wanted.what, removedAt)
    },
  }
}

/** Kept clips and cross-fades of a job that are older than `before` and that nobody needs serve no other scene. Resolves to the cross-fades. */
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
    reason: 'Films are not kept for ever here. To have it again, create the job anew',
  },
  clip: {
    what: 'Clip',
    reason: 'Clips are not kept for ever here. To have it again, create the job anew',
  },
  asset: {
    what: 'Asset',
    reason: 'Photographs that no job needs are not kept for ever here. Upload it again',
  },
} as const

const placeOf = (after: Removable | undefined) =>
  after && 'key' in after ? { at: after.at, key: after.key } : undefined

/** Pages until there is none, each asked for by the last of the one before. */
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

/** What is told when a job goes on that had ended, or that may have. */
const goingOn: ReadonlySet<EventType> = new Set<EventType>([
  'job_approved',
  'job_retried',
  'scene_added',
  'scene_updated',
  'scene_deleted',
])

/**
 * Refuses what would need clips or photographs that were removed. Every change tells of itself in its transaction, so
 * nothing is removed between this look and the change.
 */
export const refusingWithoutFiles =
  (tell: Tell): Tell =>
  async (tx, event) => {
    if (goingOn.has(event.type)) {
      await requireClips(tx, event.jobId)
      // One that is approved for the first time has not ended yet, and what it needs was never removed.
      if (event.type !== 'job_approved') await requireAssets(tx, event.jobId)
    }
    await tell(tx, event)
  }

async function requireClips(tx: Transaction, jobId: number): Promise<void> {
  const removed = await findClipsRemoved(tx, jobId)
  if (!removed) return
  if (removed.hadClips)
    throw await cannotGoOn(
      tx,
      jobId,
      `Its clips were removed at ${new Date(removed.removedAt).toISOString()}: create it anew`,
    )
  await forgetClipsRemoved(tx, jobId)
}

async function requireAssets(tx: Transaction, jobId: number): Promise<void> {
  const missing = await listMissingAssets(tx, jobId)
  if (missing.length > 0)
    throw await cannotGoOn(
      tx,
      jobId,
      `Photographs that it shows were removed; upload them again first: ${missing.slice(0, 5).join(', ')}`,
    )
}

async function cannotGoOn(tx: Transaction, jobId: number, reason: string): Promise<RefusedError> {
  const job = await findJob(tx, jobId)
  return new RefusedError('Job cannot be rendered anew', {
    code: 'job_refused',
    jobId,
    currentStatus: job?.status ?? 'unknown',
    reason,
  })
}
