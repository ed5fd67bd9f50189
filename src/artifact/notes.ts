/**
 * When the artifacts of a bucket were last used, as objects without bytes, because S3 has no modification times to set:
 * `notes/ab/<id>/u<time>` is a use, and `notes/ab/<id>/r<time>-<id>` a removal under way.
 *
 * Adopting and removing the same artifact may race, on several nodes. Who relies on an artifact first notes the use, then
 * looks for removals; who removes it first notes the removal, then looks for uses. The store is consistent, so at least one
 * sees the other: a removal withdraws, a use waits for it. A removal that died is ignored once no request of it can
 * still be accepted: S3 refuses requests that were signed a quarter of an hour ago.
 */
import type { Host } from '../host.ts'
import { ArtifactError, isArtifactId } from './artifact.ts'
import type { Bucket } from './bucket.ts'

/** A use is noted as the end of its quarter of an hour, so that later uses in it need no request. */
const noteMs = 900_000
/** A removal deletes only within this time after its note. */
const removalMs = 30_000
/** When a removal's requests are refused for their age, with a margin. */
const abandonedMs = 1_200_000
const waitMs = 200
const mostWaitMs = 10_000
const mostRemembered = 50_000

export interface Notes {
  /** Whether this process found the artifact after it noted a use that still counts: nobody has removed it since. */
  isRelied(id: string): boolean
  /** Notes a use, and waits for removals under way; then runs `find`, which resolves to whether the artifact exists. */
  relyOn(id: string, find: () => Promise<boolean>): Promise<boolean>
  /** The last use; undefined if none is noted. */
  usedAt(id: string): Promise<number | undefined>
  /** The last uses of the artifacts with a prefix of two digits. */
  list(prefix: string): Promise<ReadonlyMap<string, number>>
  /**
   * Runs `remove` if no use at `unusedSince` or later is noted; resolves to whether that removed it. The note of the removal is
   * its fencing token: `mayRemove` says, directly before the request leaves, whether others still wait for it.
   */
  removing(
    id: string,
    unusedSince: number,
    remove: (mayRemove: () => boolean) => Promise<boolean>,
  ): Promise<boolean>
  /** Removes the notes of an artifact that does not exist. */
  forget(id: string): Promise<void>
}

interface Note {
  readonly key: string
  readonly id: string
  readonly kind: 'use' | 'removal'
  readonly at: number
}

const folderOf = (id: string): string => `notes/${id.slice(0, 2)}/${id}/`
const notePattern = /^notes\/[0-9a-f]{2}\/([0-9a-f]{64})\/([ur])(\d{13})(?:-[\w-]+)?$/

function noteOf(key: string): Note | undefined {
  const [, id = '', kind, at] = notePattern.exec(key) ?? []
  return isArtifactId(id) ? { key, id, kind: kind === 'u' ? 'use' : 'removal', at: Number(at) } : undefined
}

const timeOf = (ms: number): string => String(Math.floor(ms)).padStart(13, '0')

const lastUse = (notes: readonly Note[]): number | undefined =>
  notes.reduce<number | undefined>(
    (last, { kind, at }) => (kind === 'use' && at >= (last ?? 0) ? at : last),
    undefined,
  )

export function createNotes(bucket: Bucket, host: Pick<Host, 'now' | 'id' | 'sleep'>): Notes {
  /** The end of the last noted use of an artifact that existed then, oldest first. */
  const relied = new Map<string, number>()

  const read = async (folder: string): Promise<readonly Note[]> =>
    (await bucket.list(folder)).flatMap(({ key }) => noteOf(key) ?? [])

  const remember = (id: string, until: number): void => {
    relied.delete(id)
    relied.set(id, until)
    if (relied.size > mostRemembered) relied.delete(relied.keys().next().value!)
  }

  const isUnderWay = ({ kind, at }: Note): boolean => kind === 'removal' && host.now() - at < abandonedMs

  const removeAll = async (notes: readonly Note[]): Promise<void> => {
    await Promise.all(notes.map(({ key }) => bucket.remove(key)))
  }

  return {
    isRelied: (id) => (relied.get(id) ?? 0) > host.now(),

    async relyOn(id, find) {
      const until = (Math.floor(host.now() / noteMs) + 1) * noteMs
      await bucket.mark(`${folderOf(id)}u${timeOf(until)}`)
      for (let waited = 0; ; waited += waitMs) {
        const notes = await read(folderOf(id))
        if (!notes.some(isUnderWay)) {
          await removeAll(notes.filter(({ kind, at }) => kind === 'removal' || at < until))
          const isThere = await find()
          if (isThere) remember(id, until)
          return isThere
        }
        if (waited >= mostWaitMs)
          throw new ArtifactError('store_unavailable', `artifact ${id} is being removed by another node`)
        await host.sleep(waitMs)
      }
    },

    usedAt: async (id) => lastUse(await read(folderOf(id))),

    async list(prefix) {
      const uses = new Map<string, number>()
      for (const { id, kind, at } of await read(`notes/${prefix}/`))
        if (kind === 'use') uses.set(id, Math.max(at, uses.get(id) ?? 0))
      return uses
    },

    async removing(id, unusedSince, remove) {
      const at = host.now()
      const key = `${folderOf(id)}r${timeOf(at)}-${host.id()}`
      await bucket.mark(key)
      const notes = await read(folderOf(id))
      const used = lastUse(notes)
      // A process that was stopped for longer than others wait removes nothing: by then they may rely on the artifact.
      const mayRemove = (): boolean => host.now() - at < removalMs
      const isFree = (used === undefined || used < unusedSince) && mayRemove()
      if (isFree) relied.delete(id)
      const isRemoved = isFree && (await remove(mayRemove))
      if (isRemoved) await removeAll(notes.filter(({ kind }) => kind === 'use'))
      await bucket.remove(key)
      return isRemoved
    },

    forget: async (id) => {
      relied.delete(id)
      await removeAll(await read(folderOf(id)))
    },
  }
}
