import type { JobAnswer } from '../http/routes/jobs.ts'

/**
 * The body of a refusal: `error` names what went wrong, `reason` what to do about it; further members say
 * where.
 */
export interface Problem {
  readonly error: string
  readonly reason?: string
  /** The first invalid member of the request. */
  readonly field?: string
  readonly problems?: readonly { readonly field: string; readonly reason: string }[]
  readonly [member: string]: unknown
}

/** The server refused the request or failed. */
export class ApiError extends Error {
  readonly status: number
  readonly body: Problem
  constructor(status: number, body: Problem) {
    super(body.reason === undefined ? body.error : `${body.error}: ${body.reason}`)
    this.name = 'ApiError'
    this.status = status
    this.body = body
  }
}

/** A job that was waited for failed or was cancelled. */
export class JobEndedError extends Error {
  /** Its `status` is `failed` or `cancelled`; its `error` gives the reason. */
  readonly job: JobAnswer
  constructor(job: JobAnswer) {
    super(`Job ${job.job_id} ${endWords(job)}`)
    this.name = 'JobEndedError'
    this.job = job
  }
}

const endWords = ({ status, error }: JobAnswer): string =>
  status === 'failed' ? `failed: ${error?.reason ?? 'no reason given'}` : 'was cancelled'

/** An unsuccessful response as an error. A body in another format may come from a proxy. */
export async function errorOf(response: Response): Promise<ApiError> {
  const text = await response.text()
  try {
    const body: unknown = JSON.parse(text)
    if (isProblem(body)) return new ApiError(response.status, body)
  } catch {
    // Reported below by the HTTP status.
  }
  return new ApiError(response.status, { error: response.statusText || `Status ${response.status}` })
}

const isProblem = (body: unknown): body is Problem =>
  typeof body === 'object' && body !== null && 'error' in body && typeof body.error === 'string'
