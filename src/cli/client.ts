/** The HTTP API as the commands use it. What the server refuses is told in the server's words. */
import { openAsBlob } from 'node:fs'
import type { AssetAnswer } from '../http/assets.ts'
import type { CancelAnswer } from '../http/job-control.ts'
import type { JobAnswer, JobsAnswer } from '../http/jobs.ts'
import type { KeyAnswer, KeysAnswer, NewKeyAnswer } from '../http/keys.ts'
import type { BudgetsAnswer, EstimateAnswer, LedgerAnswer } from '../http/money.ts'
import type { EditedAnswer, ScenesAnswer } from '../http/scenes.ts'
import type { ApprovalRequest } from '../job/request.ts'
import { CommandError } from './command-error.ts'

export interface Client {
  upload(path: string): Promise<AssetAnswer>
  estimate(request: unknown): Promise<EstimateAnswer>
  createJob(request: unknown): Promise<JobAnswer>
  approve(
    jobId: string,
    approval?: ApprovalRequest,
  ): Promise<{ readonly job_id: number; readonly status: string }>
  cancel(jobId: string): Promise<CancelAnswer>
  job(jobId: string): Promise<JobAnswer>
  scenes(jobId: string): Promise<ScenesAnswer>
  regenerate(jobId: string, sceneId: string): Promise<EditedAnswer>
  jobs(query: URLSearchParams): Promise<JobsAnswer>
  ledger(query: URLSearchParams): Promise<LedgerAnswer>
  budgets(): Promise<BudgetsAnswer>
  setBudgets(limits: Readonly<Record<string, number | null>>): Promise<BudgetsAnswer>
  keys(): Promise<KeysAnswer>
  createKey(request: unknown): Promise<NewKeyAnswer>
  rotateKey(id: string, request: unknown): Promise<NewKeyAnswer>
  revokeKey(id: string): Promise<KeyAnswer>
  /** An answer with the film's bytes still to be read. */
  film(jobId: string): Promise<Response>
}

const at = (jobId: string): string => `/api/v3/jobs/${encodeURIComponent(jobId)}`

export function createClient(url: string, signal?: AbortSignal, key?: string): Client {
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers)
    if (key) headers.set('authorization', `Bearer ${key}`)
    const response = await fetch(new URL(path, url), { ...init, headers, signal: signal ?? null }).catch(
      (cause: unknown) => {
        signal?.throwIfAborted()
        throw isUnreachable(cause)
          ? new UnreachableError(url, cause)
          : new CommandError(`The request to ${url} failed (${whyOf(cause)})`, 1, { cause })
      },
    )
    if (response.status === 401)
      throw new CommandError(
        key
          ? `The key is not, or no longer, valid at ${url}`
          : `${url} needs a key: set COORDINATOR_KEY, or give --key`,
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
    keys: () => json('/api/v3/keys'),
    createKey: (request) => send('POST', '/api/v3/keys', request),
    rotateKey: (id, request) => send('POST', `/api/v3/keys/${id}/rotate`, request),
    revokeKey: (id) => json(`/api/v3/keys/${id}/revoke`, { method: 'POST' }),
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
