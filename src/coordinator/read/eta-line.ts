/**
 * A film's queue at one renderer: renders that hold slots, scenes of others that start earlier, and the pace.
 */
import type { Line, Others, RunningRender, WaitingRender } from '../../job/eta.ts'
import { isPaced } from '../../job/queue.ts'
import { type Scenes, othersBefore } from '../../job/start-order.ts'
import type { Reader } from '../../store/database.ts'
import { listWaitingClients } from '../../store/scenes.ts'
import {
  type HeldSlot,
  type QueuePosition,
  type WaitingKind,
  listHeldSlots,
  listOthersAhead,
  listOwnAhead,
  listPostedSince,
} from '../../store/timings.ts'
import type { RendererLimit } from '../admission/rules.ts'
import type { Histories, OwnRender, Timed } from './histories.ts'

/** A film's running and waiting scenes. */
export interface Queued extends QueuePosition {
  /** Its scenes that hold a slot, by attempt id. */
  readonly running: ReadonlyMap<string, OwnRender>
  readonly waiting: readonly (Timed &
    OwnRender & { readonly renderer: string; readonly notBeforeMs: number })[]
  /** Whether other jobs are ignored. */
  readonly isAlone: boolean
}

const minuteMs = 60_000

export async function lineOf(
  reader: Reader,
  film: Queued,
  limit: RendererLimit,
  histories: Histories,
  now: number,
): Promise<Line | undefined> {
  const { name, maxConcurrency: slots, startDelayMs } = limit
  const held = await listHeldSlots(reader, name, film.jobId, now)
  const running: RunningRender[] = []
  for (const slot of held) {
    const own = film.running.get(slot.attemptId)
    if (!own && film.isAlone) continue
    const times = await histories.of(slot, 'render', own)
    const clip = own && (await histories.of(slot, 'clip', own))
    if (!times || (own && !clip)) return undefined
    running.push({ times, ranMs: ranMs(slot, now), ...(clip && { clip }) })
  }
  const own = film.waiting
    .filter((scene) => scene.renderer === name)
    .toSorted((one, other) => one.notBeforeMs - other.notBeforeMs)
  const hasOthers = !film.isAlone && own.length > 0
  const others = hasOthers ? await othersAhead(reader, film, limit, held, own.length) : []
  const waiting: WaitingRender[] = []
  for (const [index, scene] of own.entries()) {
    const ahead: Others[] = []
    for (const { kind, scenes } of others[index] ?? []) {
      const times = await histories.of(kind, 'render')
      if (!times) return undefined
      ahead.push({ times, scenes })
    }
    const times = await histories.of(scene, 'render', scene)
    const clip = await histories.of(scene, 'clip', scene)
    if (!times || !clip) return undefined
    waiting.push({ ahead, times, clip, notBeforeMs: scene.notBeforeMs })
  }
  const since = now - Math.max(minuteMs, startDelayMs)
  const posted = hasOthers && isPaced(limit) ? await listPostedSince(reader, name, since) : []
  const started = posted.map((at) => Math.min(0, at - now))
  return { slots, pace: limit, started, running, waiting }
}

/** Jobs read for each other client: few of them start before one film's scenes. */
const mostJobs = 50

/** For each of the film's scenes, the scenes of others that start before it, by admission's fair queue. */
async function othersAhead(
  reader: Reader,
  film: Queued,
  { name, maxConcurrency: slots }: RendererLimit,
  held: readonly HeldSlot[],
  count: number,
): Promise<readonly (readonly Scenes<WaitingKind>[])[]> {
  const own = { clientId: film.clientId, queueAt: film.queueAt, lastTurn: 0 }
  const others = (await listWaitingClients(reader, name)).filter((client) => {
    if (client.clientId !== film.clientId) return true
    own.lastTurn = client.lastTurn
    return false
  })
  const kinds = Map.groupBy(
    [
      ...(await listOwnAhead(reader, name, film)),
      ...(others.length > 0 ? await listOthersAhead(reader, name, film, mostJobs) : []),
    ],
    ({ clientId }) => clientId,
  )
  const queues = [own, ...others].map((client) => ({
    waiter: { ...client, inFlight: held.filter(({ clientId }) => clientId === client.clientId).length },
    scenes: (kinds.get(client.clientId) ?? []).map((kind) => ({ kind, scenes: kind.scenes })),
    isOwn: client === own,
  }))
  return othersBefore(
    queues,
    held.map(({ clientId }) => clientId),
    slots,
    count,
  )
}

export const since = (begun: number | null, now: number): number =>
  begun === null ? 0 : Math.max(0, now - begun)

/** A render at a provider counts from its request, a local one from its start. */
const ranMs = ({ settings, postedAt, insertedAt }: HeldSlot, now: number): number =>
  since(settings ? postedAt : insertedAt, now)
