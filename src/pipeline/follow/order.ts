/** Sends an attempt: first everything that can fail without cost, then its only request. */
import { waitsForStorage } from '../../disk-full.ts'
import { type Attempt, sentWithinMs } from '../../job/attempt.ts'
import type { Scene } from '../../job/scene.ts'
import type { PreparedOrder, Provider, ProviderTrouble, Refusal } from '../../renderer/provider.ts'
import { type Follower, minute, wait } from './follower.ts'

export async function order(follower: Follower, attempt: Attempt, provider: Provider): Promise<void> {
  const { attemptId, coordinator, ending, host, signal } = follower
  await follower.room.require()
  const scene = await coordinator.beginOrder(attemptId)
  if (!scene) {
    const trouble = { code: 'scene_gone', reason: 'its scene is gone', retry: false }
    return refuse(follower, trouble, { countsAsTry: false })
  }
  const ready = await makeReady(follower, attempt, provider, scene)
  if ('code' in ready) return refuse(follower, ready, { countsAsTry: true })
  const { inputs, prepared } = ready
  const account = await provider.account(ending)
  ending.throwIfAborted()
  if (account.kind === 'failed') return refused(follower, account.refusal)
  const posting = { marks: prepared.marks, inputs, account: account.name, prompt: scene.prompt }
  /** Before the commit, which may itself take a while. */
  let begunAt: number
  for (;;) {
    begunAt = host.monotonic()
    const post = await coordinator.beginPost(attemptId, posting)
    if (post.kind === 'over') return
    if (post.kind === 'go') break
    // Checked again at least every minute: if the clock is set back, `until` is too far away.
    await wait(follower, Math.min(post.until - host.now(), minute))
  }
  // Another process takes over a task whose process was held up. It searches for the render, and takes its absence for proven
  // after `absentAfterMs`: by then, no request may leave here.
  const maySend = (): boolean => !signal.aborted && host.monotonic() - begunAt <= sentWithinMs
  const outcome = await provider.submit(prepared, signal, maySend)
  if (outcome.kind === 'accepted') await coordinator.renderAccepted(attemptId, outcome.renderId)
  else if (outcome.kind === 'unknown')
    await coordinator.renderUnknown(attemptId, { reason: outcome.reason, isSilent: true })
  else await refused(follower, outcome)
}

async function makeReady(
  { attemptId, coordinator, ending, markOf, shapeOf, studio }: Follower,
  { settings }: Attempt,
  provider: Provider,
  { jobId, asset_ids: assetIds, model, prompt }: Scene,
): Promise<{ readonly inputs: readonly string[]; readonly prepared: PreparedOrder } | ProviderTrouble> {
  try {
    const { format, fit } = await shapeOf(jobId)
    const masters = await Promise.all(assetIds.map(async (id) => (await coordinator.asset(id)).master))
    const inputs = await Promise.all(masters.map((master) => studio.picture(master, { ...format, fit })))
    const prepared = await studio.inWorkspace(async ({ localPath }) => {
      const images = await Promise.all(inputs.map(localPath))
      const mark = markOf(attemptId)
      const wish = { attemptId, mark, model, prompt, settings: settings!, format, images }
      return provider.prepare(wish, ending)
    })
    return 'code' in prepared ? prepared : { inputs, prepared }
  } catch (error) {
    if (ending.aborted || waitsForStorage(error)) throw error
    // A failed preparation frees its slot: while attempts are admitted one at a time, it would block all others.
    const reason = error instanceof Error ? error.message : String(error)
    return { code: 'not_ready', reason, retry: true }
  }
}

const refused = (
  { attemptId, coordinator }: Follower,
  { trouble: { retry, code, reason }, ...rest }: Omit<Refusal, 'kind'>,
): Promise<void> => coordinator.renderRefused(attemptId, { ...rest, failure: { code, reason }, retry })

export const refuse = (
  follower: Follower,
  trouble: ProviderTrouble,
  { countsAsTry }: { readonly countsAsTry: boolean },
): Promise<void> => refused(follower, { trouble, countsAsTry, waitMs: null })
