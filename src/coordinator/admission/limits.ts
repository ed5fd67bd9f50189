/** Concurrency limits and manual pauses, readable and changeable at run time. */
import { type FieldProblem, invalid } from '../../job/errors.ts'
import type { SettingChange } from '../../job/change.ts'
import { type Actor, differences } from '../../job/event.ts'
import type { ManualPause } from '../../job/queue.ts'
import { parseLimits, parsePause } from '../../job/control-request.ts'
import { logLine } from '../../log.ts'
import { latestChanges, recordChanges } from '../../store/changes.ts'
import type { Reader } from '../../store/database.ts'
import { readGate } from '../../store/gate.ts'
import { countProcessing } from '../../store/jobs.ts'
import {
  deleteManualPause,
  insertManualPause,
  listLimits,
  listManualPauses,
  setLimit,
} from '../../store/limits.ts'
import type { ProviderCooldown, RendererLimit } from './rules.ts'
import { once, whole } from '../../access/idempotency.ts'
import { cooldownOf } from '../attempt/cooldown.ts'
import type { Context } from '../context.ts'

/** The limits in force. */
export interface LimitsNow {
  /** Jobs that may be processing at once; null: no limit. */
  readonly jobs: number | null
  /** A renderer's limits: those set at run time replace the configured ones. */
  of(configured: RendererLimit): RendererLimit
}

export const limitsNow = async (reader: Reader): Promise<LimitsNow> => limitsOf(await listLimits(reader))

/** `set`: limits set at run time, by name. */
export function limitsOf(set: ReadonlyMap<string, number>): LimitsNow {
  return {
    jobs: set.get('jobs') ?? null,
    of: (configured) =>
      set.size === 0
        ? configured
        : {
            ...configured,
            maxConcurrency: set.get(`${configured.name}.max_concurrency`) ?? configured.maxConcurrency,
            startDelayMs: set.get(`${configured.name}.start_delay_ms`) ?? configured.startDelayMs,
            startsPerMinute: set.get(`${configured.name}.starts_per_minute`) ?? configured.startsPerMinute,
          },
  }
}

/** How many more jobs may start; counts only if there is a limit. */
export const freeJobSlots = async (reader: Reader, limit: number | null, now: number): Promise<number> =>
  limit === null ? Number.POSITIVE_INFINITY : limit - (await countProcessing(reader, now))

const scopeOf = (renderer: string | undefined): string =>
  renderer === undefined ? 'all' : `renderer:${renderer}`

/** The manual pause that applies to a renderer: of all rendering, or of this renderer. */
export const manualPauseAmong = (
  stops: readonly ManualPause[],
  renderer: string | undefined,
): ManualPause | undefined =>
  stops.find(({ scope }) => scope === 'all') ?? stops.find(({ scope }) => scope === scopeOf(renderer))

export interface RendererStanding {
  readonly limit: RendererLimit
  readonly configured: RendererLimit
  readonly inFlight: number
  readonly manualPause: ManualPause | undefined
  /** The provider's cooldown. */
  readonly cooldown: ProviderCooldown | undefined
  /** The last change of one of its limits, as far as it is known. */
  readonly changed: SettingChange | undefined
}

export interface LimitsStanding {
  readonly jobs: {
    readonly limit: number | null
    readonly processing: number
    readonly changed: SettingChange | undefined
  }
  readonly manualPause: ManualPause | undefined
  readonly renderers: readonly RendererStanding[]
}

export const getLimits = (context: Context): Promise<LimitsStanding> =>
  context.database.transaction(async (tx) => {
    const limits = await limitsNow(tx)
    const stops = await listManualPauses(tx)
    const changes = await latestChanges(tx, 'limit')
    const now = context.host.now()
    const standings: RendererStanding[] = []
    for (const configured of context.renderers) {
      const { name } = configured
      const gate = await readGate(tx, name, now)
      standings.push({
        limit: limits.of(configured),
        configured,
        inFlight: gate.occupancy.inFlight,
        manualPause: stops.find(({ scope }) => scope === scopeOf(name)),
        cooldown: cooldownOf(gate, now).cooldown,
        changed: lastOf(changes, name),
      })
    }
    return {
      jobs: {
        limit: limits.jobs,
        processing: await countProcessing(tx, now),
        changed: changes.get('jobs'),
      },
      manualPause: stops.find(({ scope }) => scope === 'all'),
      renderers: standings,
    }
  })

const lastOf = (changes: ReadonlyMap<string, SettingChange>, renderer: string): SettingChange | undefined =>
  [...changes.values()]
    .filter(({ name }) => name.startsWith(`${renderer}.`))
    .toSorted((one, other) => other.id - one.id)[0]

const known = (context: Context, field: string, name: string | undefined): FieldProblem[] =>
  name === undefined || context.renderers.some((renderer) => renderer.name === name)
    ? []
    : [
        {
          field,
          reason: `Unknown renderer "${name}"; available: ${context.renderers.map((one) => one.name).join(', ')}`,
        },
      ]

function requireKnown(context: Context, renderer: string | undefined): void {
  const problems = known(context, 'renderer', renderer)
  if (problems.length > 0) throw invalid(problems)
}

/** Problems with limits of pace for a renderer on this machine, which needs only a limit of slots. */
const paced = (
  context: Context,
  name: string,
  limits: Readonly<Record<string, number | null | undefined>>,
): FieldProblem[] =>
  context.renderers.some((renderer) => renderer.name === name && renderer.task === 'render-scene')
    ? Object.keys(limits)
        .filter((key) => key !== 'max_concurrency')
        .map((key) => ({
          field: `renderers.${name}.${key}`,
          reason: 'applies to providers only: renderers on this machine have max_concurrency',
        }))
    : []

/** Members left out stay unchanged; null restores the configured value. @throws {RefusedError} `invalid` */
export async function setLimits(context: Context, input: unknown, actor?: Actor): Promise<LimitsStanding> {
  const { database, host, wakeAdmission, log } = context
  const { jobs, renderers: ofRenderers = {} } = parseLimits(input)
  const changes = [
    ...(jobs === undefined ? [] : [['jobs', jobs] as const]),
    ...Object.entries(ofRenderers).flatMap(([name, limits]) =>
      Object.entries(limits).map(([limit, value]) => [`${name}.${limit}`, value ?? null] as const),
    ),
  ]
  const before = await once(database, actor, whole<Record<string, number | null>>(), async (tx) => {
    const problems = Object.entries(ofRenderers).flatMap(([name, limits]) => [
      ...known(context, `renderers.${name}`, name),
      ...paced(context, name, limits),
    ])
    if (problems.length > 0) throw invalid(problems)
    const set = await listLimits(tx)
    for (const [name, value] of changes) await setLimit(tx, name, value)
    tx.afterCommit(wakeAdmission)
    const old = Object.fromEntries(changes.map(([name]) => [name, set.get(name) ?? null]))
    const changed = differences(old, Object.fromEntries(changes))
    await recordChanges(tx, 'limit', changed, actor ?? {}, host.now())
    return old
  })
  logLine.limitsChanged(log, differences(before, Object.fromEntries(changes)), actor?.by)
  return getLimits(context)
}

const isPaused = (scope: string, is: boolean) => ({ old: { [scope]: !is }, new: { [scope]: is } })

/** Starts nothing new, anywhere or at one renderer; running renders end normally. @throws {RefusedError} `invalid` */
export async function pauseRendering(
  context: Context,
  input: unknown = {},
  actor: Actor = {},
): Promise<LimitsStanding> {
  const { host, database, log } = context
  const { renderer, reason = null } = parsePause(input)
  const scope = scopeOf(renderer)
  const stop = { scope, reason, by: actor.by ?? null, since: host.now() }
  await once(database, actor, whole(), async (tx) => {
    requireKnown(context, renderer)
    if ((await insertManualPause(tx, stop)) === 0) return
    await recordChanges(
      tx,
      'pause',
      isPaused(scope, true),
      { ...actor, reason: reason ?? undefined },
      stop.since,
    )
  })
  logLine.paused(log, scope, actor.by, reason)
  return getLimits(context)
}

/** @throws {RefusedError} `invalid` */
export async function resumeRendering(
  context: Context,
  input: unknown = {},
  actor: Actor = {},
): Promise<LimitsStanding> {
  const { database, host, wakeAdmission, engine, log } = context
  const { renderer, reason } = parsePause(input)
  const scope = scopeOf(renderer)
  await once(database, actor, whole(), async (tx) => {
    requireKnown(context, renderer)
    if ((await deleteManualPause(tx, scope)) > 0)
      await recordChanges(tx, 'pause', isPaused(scope, false), { ...actor, reason }, host.now())
    tx.afterCommit(wakeAdmission)
    tx.afterCommit(() => engine.wake())
  })
  logLine.resumed(log, scope, actor.by)
  return getLimits(context)
}
