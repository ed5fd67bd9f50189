/** The HTTP API as the commands use it. What the server refuses is told in the server's words. */
import { openAsBlob } from 'node:fs'
import type { AssetAnswer } from '../http/assets.ts'
import type { JobAnswer } from '../http/jobs.ts'
import type { SceneAnswer, ScenesAnswer } from '../http/scenes.ts'
import { CommandError } from './command-error.ts'

export interface Client {
  upload(path: string): Promise<AssetAnswer>
  estimate(request: unknown): Promise<EstimateAnswer>
  createJob(request: unknown): Promise<JobAnswer>
  approve(jobId: string, approval?: Approval): Promise<{ readonly job_id: number; readonly status: string }>
  cancel(jobId: string): Promise<{ readonly job_id: number; readonly costs: CostsAnswer }>
  job(jobId: string): Promise<JobAnswer>
  scenes(jobId: string): Promise<ScenesAnswer>
  regenerate(jobId: string, sceneId: string): Promise<RegenerateAnswer>
  jobs(query: URLSearchParams): Promise<JobsAnswer>
  ledger(query: URLSearchParams): Promise<LedgerAnswer>
  budgets(): Promise<BudgetsAnswer>
  setBudgets(limits: Readonly<Record<string, number | null>>): Promise<BudgetsAnswer>
  /** An answer with the film's bytes still to be read. */
  film(jobId: string): Promise<Response>
}

/** US dollars; null where nobody knows. */
type Usd = number | null

/** What the commands read of the answers about money; the server tells more. */
export type CostsAnswer = Pick<JobAnswer['costs'], 'reserved' | 'spent'>

export interface EstimateAnswer {
  readonly estimated_cost: Usd
  readonly scenes_to_pay: number
  readonly scenes: readonly { readonly estimated: Usd }[]
  readonly storyboard: JobAnswer['storyboard']
}

export interface Approval {
  readonly max_cost?: number
  readonly accept_unknown_cost?: boolean
  readonly revision?: number
}

export interface RegenerateAnswer {
  readonly job_id: number
  readonly scene: SceneAnswer
  readonly to_approve: Usd
}

export interface JobsAnswer {
  readonly jobs: readonly Omit<JobAnswer, 'storyboard' | 'costs'>[]
  readonly next_cursor: string | null
}

export interface LedgerAnswer {
  readonly totals: { readonly reserved: number; readonly spent: number }
  readonly entries: readonly LedgerEntry[]
  readonly next_cursor: string | null
  /** Renders that no attempt accounts for. */
  readonly unaccounted: readonly {
    readonly prediction_id: string
    readonly state: string
    readonly charged: Usd
  }[]
}

export interface LedgerEntry {
  readonly job_id: number
  readonly model: string
  readonly status: string
  readonly prediction_id: string | null
  readonly reserved: Usd
  /** Null until it is settled too. */
  readonly charged: Usd
  readonly failure: { readonly reason: string } | null
  readonly inserted_at: string
}

export interface BudgetsAnswer {
  readonly budgets: readonly {
    readonly name: string
    readonly limit: number
    /** Null for those of which each job or client has its own. */
    readonly used: { readonly reserved: number; readonly spent: number } | null
  }[]
}

const at = (jobId: string): string => `/api/v3/jobs/${encodeURIComponent(jobId)}`

export function createClient(url: string, signal?: AbortSignal): Client {
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const response = await fetch(new URL(path, url), { ...init, signal: signal ?? null }).catch(
      (cause: unknown) => {
        signal?.throwIfAborted()
        throw isUnreachable(cause)
          ? new UnreachableError(url, cause)
          : new CommandError(`The request to ${url} failed (${whyOf(cause)})`, 1, { cause })
      },
    )
    if (!response.ok) throw new CommandError(await refusalOf(response))
    return response
  }
  const json = async (path: string, init?: RequestInit) => JSON.parse(await (await ask(path, init)).text())
  const send = (method: string, path: string, body: unknown) =>
    json(path, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

  return {
    upload: async (path) => {
      const body = await openAsBlob(path, { type: 'application/octet-stream' }).catch((cause: unknown) => {
        throw new CommandError(`${path}: cannot be read (${whyOf(cause)})`, 1, { cause })
      })
      return json('/api/v3/assets', { method: 'POST', body }).catch((error: unknown) => {
        throw error instanceof CommandError && !(error instanceof UnreachableError)
          ? new CommandError(`${path}: ${error.message}`, 1, { cause: error })
          : error
      })
    },
    estimate: (request) => send('POST', '/api/v3/estimates', request),
    createJob: (request) => send('POST', '/api/v3/jobs', request),
    approve: (jobId, approval = {}) => send('POST', `${at(jobId)}/approve`, approval),
    cancel: (jobId) => json(`${at(jobId)}/cancel`, { method: 'POST' }),
    job: (jobId) => json(at(jobId)),
    scenes: (jobId) => json(`${at(jobId)}/scenes`),
    regenerate: (jobId, sceneId) =>
      json(`${at(jobId)}/scenes/${encodeURIComponent(sceneId)}/regenerate`, { method: 'POST' }),
    jobs: (query) => json(`/api/v3/jobs?${query.toString()}`),
    ledger: (query) => json(`/api/v3/ledger?${query.toString()}`),
    budgets: () => json('/api/v3/budgets'),
    setBudgets: (limits) => send('PUT', '/api/v3/budgets', limits),
    film: (jobId) => ask(`/api/v3/videos/${encodeURIComponent(jobId)}/combined`),
  }
}

/** Nobody answers at the address. */
export class UnreachableError extends CommandError {
  constructor(url: string, cause: unknown) {
    super(
      `Cannot reach ${url} (${whyOf(cause)}). Is the server running? Start it with: coordinator serve (npm start)`,
      1,
      {
        cause,
      },
    )
    this.name = 'UnreachableError'
  }
}

const isUnreachable = (error: unknown): boolean =>
  error instanceof Error && error.cause instanceof Error && 'code' in error.cause

const whyOf = (error: unknown): string => {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(cause instanceof Error)) return String(cause)
  if ('code' in cause && cause.code === 'ENOENT') return 'there is no such file'
  if ('code' in cause && cause.code === 'ECONNREFUSED') return 'nothing listens there'
  return cause.message || String('code' in cause ? cause.code : cause.name)
}

async function refusalOf(response: Response): Promise<string> {
  const body = await response.text()
  try {
    const { error, reason, field, current_status } = JSON.parse(body)
    // The reason is the sentence; the error is only its heading.
    const said = error === 'Image refused' || error === 'Invalid request' ? [field, reason] : [error, reason]
    const state = current_status === undefined ? '' : ` (it is ${current_status})`
    return said.filter((part) => part !== undefined && part !== '').join(': ') + state
  } catch {
    return `The server answered ${response.status} ${response.statusText}`
  }
}
