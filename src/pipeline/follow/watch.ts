/** Watches an accepted render: reads it until it has ended, and cancels it if it is no longer wanted. */
import type { Attempt } from '../../job/attempt.ts'
import type { Provider, ProviderRender } from '../../renderer/provider.ts'
import { type Follower, backOff, endBackOff, isGone, noSuchRender, skewMs, wait } from './follower.ts'

/** Reads the render once. */
export async function watch(follower: Follower, attempt: Attempt, provider: Provider): Promise<void> {
  const { attemptId, coordinator, ending, host } = follower
  const renderId = attempt.providerId!
  const begunAt = host.monotonic()
  const isWanted = attempt.cancelRequestedAt === null
  // The fence is the attempt's mark of its cancel, which is never taken back: however late, this ends nothing that is wanted.
  const ended = isWanted ? undefined : await provider.cancel(renderId, ending)
  // A provider refuses to cancel a render that has ended, without saying how it ended: read it.
  const read = ended?.kind === 'found' ? ended : await provider.read(renderId, ending)
  const isLost = isGone(follower, { isAbsent: read.kind === 'absent' })
  if (read.kind === 'found') {
    await endBackOff(follower, attempt)
    if (read.render.state === 'running') return wait(follower, follower.readPauseMs())
    return renderEnded(follower, read.render)
  }
  // An unreadable render is read again and again: its cost is known only once it can be read.
  const overdueAt = (attempt.postedAt ?? attempt.insertedAt) + provider.cancelAfterMs + skewMs
  if (isLost && host.now() > overdueAt)
    return coordinator.renderEnded(attemptId, 'cancelled', {
      failure: {
        code: 'render_lost',
        reason: `the provider no longer tells of ${renderId}: whether it was charged is not known, and its price is booked`,
      },
      retry: false,
      outputUrl: null,
    })
  await backOff(follower, begunAt, read.kind === 'failed' ? read : { reason: noSuchRender })
}

function renderEnded(
  { attemptId, coordinator }: Follower,
  { state, trouble, outputUrl }: ProviderRender,
): Promise<void> {
  const end = state === 'running' ? 'failed' : state
  const { retry, code, reason } = trouble ?? { retry: true, code: `render_${end}`, reason: endWords[end] }
  return coordinator.renderEnded(attemptId, end, { failure: { code, reason }, retry, outputUrl })
}

/** What is known, and what is assumed: providers do not report what they charge. */
const endWords = {
  succeeded: '',
  failed: 'the provider gives no reason',
  cancelled: 'the provider ended it while it ran; that is taken to be charged in full',
  aborted: 'the provider ended it before it began; that is taken to cost nothing',
} as const
