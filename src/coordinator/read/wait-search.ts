/** Finds jobs by what they, or scenes of them, wait for: the statement finds candidates, and the rules of admission decide. */
import { type ListedJob, needsApproval } from '../../job/job.ts'
import { dayOf } from '../../job/price.ts'
import type { Money } from '../../job/price.ts'
import type { Reader } from '../../store/database.ts'
import { readGate } from '../../store/gate.ts'
import { type WaitCondition, listQueuedClients } from '../../store/job-lists.ts'
import { listManualPauses } from '../../store/limits.ts'
import { moneyIn } from '../../store/money.ts'
import { budgetLimits } from '../admission/budget-snapshot.ts'
import type { FoundWait, Waiting, WaitingSince } from '../admission/rules.ts'
import { cooldownOf } from '../attempt/cooldown.ts'
import type { Context } from '../context.ts'
import { readJobRows } from './job-rows.ts'
import { attemptWait } from './scene-waits.ts'
import { waitsOf } from './waiting.ts'

/** Clients whose budgets are compared with the prices in the queue. */
const mostClients = 1000

/** Those that a job's own row tells. */
const ofRows = ['approval', 'rejected', 'job_paused', 'dependency'] as const
const isOfRow = (code: FoundWait): code is (typeof ofRows)[number] =>
  (ofRows as readonly string[]).includes(code)

/** What may be true of the jobs that wait so. */
export async function conditionsOf(
  context: Context,
  reader: Reader,
  codes: readonly FoundWait[],
): Promise<readonly WaitCondition[]> {
  const now = context.host.now()
  const wanted = (...some: readonly FoundWait[]): boolean => some.some((code) => codes.includes(code))
  const names = wanted('paused', 'renderer_paused', 'provider_pause')
    ? await stoppedRenderers(context, reader, codes, now)
    : []
  const isOfBudgets = wanted('budget_job', 'budget_client', 'budget_day', 'budget_total')
  return [
    ...codes.filter(isOfRow),
    ...(wanted('held') ? (['held'] as const) : []),
    ...(wanted('scheduled') ? [{ kind: 'start', now } as const] : []),
    ...(names.length > 0 ? [{ kind: 'renderers', names } as const] : []),
    ...(isOfBudgets ? await shortBudgets(context, reader, now) : []),
  ]
}

async function stoppedRenderers(
  { renderers }: Context,
  reader: Reader,
  codes: readonly FoundWait[],
  now: number,
): Promise<readonly string[]> {
  const scopes = new Set((await listManualPauses(reader)).map(({ scope }) => scope))
  const names: string[] = []
  for (const { name } of renderers) {
    const { cooldown, isProbed } = cooldownOf(await readGate(reader, name, now), now)
    const isStopped =
      (codes.includes('paused') && scopes.has('all')) ||
      (codes.includes('renderer_paused') && scopes.has(`renderer:${name}`)) ||
      (codes.includes('provider_pause') && (cooldown !== undefined || isProbed))
    if (isStopped) names.push(name)
  }
  return names
}

async function shortBudgets(
  context: Context,
  reader: Reader,
  now: number,
): Promise<readonly WaitCondition[]> {
  const limits = await budgetLimits(reader, context.budgets)
  if (limits.size === 0) return []
  const left = async (name: string, used: () => Promise<Money>): Promise<number | undefined> => {
    const limit = limits.get(name)
    if (limit === undefined) return undefined
    const { reservedMicros, spentMicros } = await used()
    return limit - reservedMicros - spentMicros
  }
  const ofAll = [
    await left('day', () => moneyIn(reader, { day: dayOf(now) })),
    await left('total', () => moneyIn(reader, {})),
  ].filter((micros) => micros !== undefined)
  const ofClients: (readonly [string, number])[] = []
  const isOfClients = [...limits.keys()].some((name) => name.startsWith('client'))
  for (const clientId of isOfClients ? await listQueuedClients(reader, mostClients) : []) {
    const name = limits.has(`client:${clientId}`) ? `client:${clientId}` : 'client'
    const micros = clientId === '' ? undefined : await left(name, () => moneyIn(reader, { clientId }))
    if (micros !== undefined) ofClients.push([clientId, micros])
  }
  // The shortest: a statement takes some hundreds of values.
  const shortest = ofClients.toSorted(([, one], [, other]) => one - other).slice(0, mostListed)
  const leftMicros = ofAll.length === 0 ? undefined : Math.min(...ofAll)
  return [{ kind: 'budgets', leftMicros, ofClients: shortest, ofJobMicros: limits.get('job') }]
}

const mostListed = 200

/** Why the job, or a scene of it, waits in one of these ways; undefined if it does not. */
export async function foundWait(
  context: Context,
  reader: Reader,
  {
    job,
    toApproveMicros,
    waiting,
  }: {
    readonly job: ListedJob
    readonly toApproveMicros: number | null
    readonly waiting: WaitingSince | undefined
  },
  codes: readonly FoundWait[],
  ofDisk: Waiting | undefined,
): Promise<WaitingSince | undefined> {
  const known = (codes as readonly string[]).includes(waiting?.code ?? '') ? waiting : undefined
  if (known) return known
  // Such as a paused job that also needs an approval.
  if (waiting && codes.some((code) => isSo(job, toApproveMicros, code, context.host.now()))) return waiting
  if (codes.every((code) => isOfRow(code) || code === 'scheduled')) return undefined
  const rows = await readJobRows(context, reader, job.id)
  // Whatever became of its scene, or of the job.
  const held = codes.includes('held') ? rows.attempts.find(({ status }) => status === 'held') : undefined
  if (held) return attemptWait(held, context.host.now())
  const { job: whole, scenes } = await waitsOf(context, reader, rows, ofDisk)
  return (
    [whole, ...scenes.values()].find((wait) => wait && (codes as readonly string[]).includes(wait.code)) ??
    undefined
  )
}

function isSo(job: ListedJob, toApproveMicros: number | null, code: FoundWait, now: number): boolean {
  if (code === 'approval') return needsApproval(job, toApproveMicros)
  if (code === 'rejected') return job.rejected !== null && job.status !== 'cancelled'
  if (job.endedAt !== null) return false
  if (code === 'job_paused') return job.pausedAt !== null
  if (code === 'dependency') return job.unmet > 0
  return code === 'scheduled' && job.runAt !== null && job.runAt > now
}
