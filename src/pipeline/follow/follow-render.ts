/**
 * Follows one attempt at a provider: sends it, watches it, fetches its clip. Each iteration reads the attempt's row, takes
 * the next step and commits its result, so that after a crash anywhere the next process resumes there. It is not a
 * `createLoop`: it ends when the attempt is settled, and the engine retries what fails.
 *
 *   intended ──> order.ts: prepare, wait until it may be sent, commit "may be sent", send once
 *   unknown  ──> search.ts: look for the render at the provider until it is found or proven absent
 *   held     ──> search.ts: a person decides; adopt the render that they name
 *   submitted ─> watch.ts: read until the render has ended; cancel it if it is no longer wanted
 *   succeeded ─> keep-clip.ts: fetch the clip and store it unchanged; then verify it, again if FFmpeg fails, and offer it
 *                to every scene that wants it. Another task (`take-clip.ts`) makes it canonical
 */
import type { RunningCoordinator } from '../../coordinator/coordinator.ts'
import type { TaskHandler } from '../../engine/engine.ts'
import type { Attempt } from '../../job/attempt.ts'
import type { Provider } from '../../renderer/provider.ts'
import { createSemaphore } from '../semaphore.ts'
import { type FollowParts, type Follower, backOffMs, minute, openFollower, second, wait } from './follower.ts'
import { keepClip } from './keep-clip.ts'
import { order } from './order.ts'
import { adoptNamed, search } from './search.ts'
import { watch } from './watch.ts'
import { withinAccount } from './within-account.ts'

export interface FollowRenderOptions extends Omit<
  FollowParts,
  'readPauseMs' | 'shapeOf' | 'fetchSlots' | 'listSlots'
> {
  readonly providers: readonly Provider[]
  /** Whether the provider reports the end of a render by webhook: then polling is less frequent. */
  readonly isNotified: boolean
}

/** Reads a second for all renders together; providers allow 50. */
const readsPerSecond = 20
const readEveryMs = { notified: 15 * second, alone: second }

/** Clips fetched at once: many renders may end together. */
const fetchesAtOnce = 8

/** Lists read at once: after an outage many attempts search for their renders, and a page needs some megabytes. */
const listsAtOnce = 4

const mostShapes = 1000

export function createFollowRender(options: FollowRenderOptions): TaskHandler {
  const { coordinator, host, isNotified, providers } = options
  let followed = 0
  const parts: FollowParts = {
    ...options,
    readPauseMs() {
      const leastMs = isNotified ? readEveryMs.notified : readEveryMs.alone
      return Math.max(leastMs, (followed / readsPerSecond) * second) * (0.9 + host.random() / 5)
    },
    shapeOf: createShapes(coordinator),
    fetchSlots: createSemaphore(() => fetchesAtOnce),
    listSlots: createSemaphore(() => listsAtOnce),
  }

  return async ({ subject: attemptId }, context) => {
    const follower = openFollower(parts, attemptId, context)
    const endSignals = coordinator.onSignal(attemptId, follower.alarm.ring)
    followed++
    try {
      await follow(follower, providers)
    } finally {
      followed--
      endSignals()
    }
  }
}

async function follow(follower: Follower, providers: readonly Provider[]): Promise<void> {
  const { attemptId, coordinator } = follower
  let furthest = -1
  for (let times = 0; ; times++) {
    const attempt = await coordinator.attempt(attemptId)
    if (!attempt) return
    const progress = progressOf(attempt)
    const { hasWaited } = follower
    follower.hasWaited = false
    if (progress > furthest) times = 0
    else if (!hasWaited) {
      // No progress and no wait since the last iteration: wait, so that no provider is called in a tight loop.
      await wait(follower, backOffMs(times, minute))
      continue
    }
    furthest = Math.max(furthest, progress)
    const provider = providers.find(({ name }) => name === attempt.renderer)
    if (!provider)
      throw new Error(
        `Attempt ${attemptId} is at ${attempt.renderer}, which is not configured here: configure it, or nobody learns what became of the attempt`,
      )
    if ((await step(follower, attempt, withinAccount(provider, attempt.account), times)) === 'over') return
  }
}

async function step(
  follower: Follower,
  attempt: Attempt,
  provider: Provider,
  times: number,
): Promise<'again' | 'over'> {
  const { attemptId, coordinator } = follower
  switch (attempt.status) {
    case 'intended':
      if (attempt.postedAt === null) await order(follower, attempt, provider)
      else
        await coordinator.renderUnknown(attemptId, {
          reason: 'this process ended while the request was under way',
          isSilent: false,
        })
      return 'again'
    case 'unknown':
      await search(follower, attempt, provider, times)
      return 'again'
    case 'held':
      if (attempt.hintedId === null) return 'over'
      await adoptNamed(follower, attempt, provider)
      return 'again'
    case 'submitted':
      await watch(follower, attempt, provider)
      return 'again'
    case 'succeeded':
      if (attempt.clip !== null) return 'over'
      await keepClip(follower, attempt, provider)
      return 'again'
    default:
      return 'over'
  }
}

const stepsOf: Partial<Record<Attempt['status'], number>> = {
  intended: 0,
  unknown: 2,
  held: 3,
  submitted: 4,
  succeeded: 5,
}

/** How far an attempt has come: grows with its status, and once more with a recorded request or stored clip. */
const progressOf = ({ status, postedAt, fetched }: Attempt): number => {
  const hasMore = status === 'intended' ? postedAt !== null : status === 'succeeded' && fetched !== null
  return (stepsOf[status] ?? 7) + (hasMore ? 1 : 0)
}

/** Caches each job's shape: it never changes, and reading a large job again for each scene is slow. */
function createShapes(coordinator: Pick<RunningCoordinator, 'job'>): FollowParts['shapeOf'] {
  const known = new Map<number, Awaited<ReturnType<FollowParts['shapeOf']>>>()
  return async (jobId) => {
    const before = known.get(jobId)
    if (before) return before
    const { format, fit } = (await coordinator.job(jobId)).storyboard
    if (known.size >= mostShapes) known.delete(known.keys().next().value!)
    known.set(jobId, { format, fit })
    return { format, fit }
  }
}
