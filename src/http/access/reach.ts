/** Limits a key to the jobs that it reaches: all others answer 404. */
import type { Context, MiddlewareHandler } from 'hono'
import type { Coordinator } from '../../coordinator/coordinator.ts'
import { RefusedError, jobNotFound, sceneNotFound } from '../../job/errors.ts'
import { type Rights, changedBy, isEverything, isWithin, seenBy } from '../../job/reach.ts'
import { jobIdOf } from '../edge/path.ts'
import { isDoneBefore, principalOf } from '../edge/principal.ts'
import { HttpProblem } from '../edge/problem.ts'

type Owners = Pick<Coordinator, 'owner'>

/**
 * @throws {RefusedError} `job_not_found`, if the key cannot see the job
 * @throws {HttpProblem} 403, if it must not change the job
 */
export async function requireJob(
  coordinator: Owners,
  rights: Rights | undefined,
  jobId: number,
  what: 'see' | 'change',
): Promise<void> {
  const [seen, changed] = [seenBy(rights), changedBy(rights)]
  if (isEverything(what === 'see' ? seen : changed)) return
  const owner = await coordinator.owner(jobId)
  if (!isWithin(seen, owner)) throw jobNotFound(jobId)
  if (what === 'change' && !isWithin(changed, owner))
    throw new HttpProblem(403, {
      error: 'Forbidden',
      reason: `Job ${jobId} was made with another key: to change it takes a key with the scope approve`,
      scope: 'approve',
    })
}

const isReading = (c: Context): boolean => c.req.method === 'GET' || c.req.method === 'HEAD'

/** Guards every address below a job. */
export const guardJob =
  ({ coordinator }: { readonly coordinator: Owners }): MiddlewareHandler =>
  async (c, next) => {
    const given = c.req.param('id')
    // An invalid id is refused by its route.
    if (given !== undefined && /^-?\d+$/.test(given) && !isDoneBefore(c))
      await requireJob(coordinator, principalOf(c).rights, jobIdOf(given), isReading(c) ? 'see' : 'change')
    return next()
  }

/** Guards every address below a scene: a scene of another job may be hidden from the key. */
export const guardScene =
  ({ coordinator }: { readonly coordinator: Pick<Coordinator, 'scene'> }): MiddlewareHandler =>
  async (c, next) => {
    const id = c.req.param('id') ?? ''
    const sceneId = (c.req.param('scene_id') ?? '').toLowerCase()
    const isRestricted = !isEverything(seenBy(principalOf(c).rights)) && !isDoneBefore(c)
    if (isRestricted && /^\d+$/.test(id) && /^[0-9a-f-]{36}$/.test(sceneId))
      await coordinator.scene(jobIdOf(id), sceneId).catch((error: unknown) => {
        const isOthers = error instanceof RefusedError && error.refusal.code === 'scene_of_another_job'
        throw isOthers ? sceneNotFound(sceneId) : error
      })
    return next()
  }
