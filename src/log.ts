/** The log, and the names of its lines: operators watch for these words, so each is written in one place. */
import { type DestinationStream, type Logger, pino } from 'pino'
import type { Task } from './job/task.ts'

export type Log = Logger

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** Lines for a person at a terminal rather than JSON for a collector. */
  readonly plain: boolean
}

export const createLog = ({ level, plain }: LogOptions): Log =>
  pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ['*.authorization', '*.token', '*.secret', '*.password'], censor: '[hidden]' },
    },
    plain ? plainLines : pino.destination({ dest: 1, sync: true }),
  )

const plainLines: DestinationStream = {
  write(line) {
    const { time, level, msg, err } = JSON.parse(line) as Record<string, unknown>
    const clock = String(time).slice(11, 19)
    const why = typeof err === 'object' && err !== null && 'message' in err ? ` (${String(err.message)})` : ''
    process.stdout.write(
      `${clock} ${level === 'info' ? '' : `${String(level).toUpperCase()} `}${String(msg)}${why}\n`,
    )
  },
}

const say = (words: string): string => `[Workflow.Coordinator] ${words}`

export const logLine = {
  starting: (log: Log) => log.info(say('Starting Workflow Coordinator')),
  recovering: (log: Log, jobs: { readonly approved: number; readonly processing: number }) =>
    log.info(jobs, say('Recovering interrupted jobs')),
  resuming: (log: Log, { renders, films }: { readonly renders: number; readonly films: number }) =>
    log.info({ renders, films }, say(`Resuming ${renders} renders and ${films} films`)),
  jobApproved: (log: Log, jobId: number) => log.info({ job_id: jobId }, say(`Job approved: ${jobId}`)),
  jobProcessing: (log: Log, jobId: number) =>
    log.info({ job_id: jobId }, say(`Spawning processing task for job ${jobId}`)),
  jobCompleted: (log: Log, jobId: number) =>
    log.info({ job_id: jobId }, say(`Job ${jobId} marked as completed`)),
  jobFailed: (log: Log, jobId: number, reason: string) =>
    log.warn({ job_id: jobId, reason }, say(`Task failed for job ${jobId}: ${reason}`)),
  cannotAdmit: (log: Log, err: unknown) =>
    log.error({ err }, say('Cannot look for scenes to start; trying again')),
  taskRejected: (log: Log, { kind, subject, jobId }: Task, err: unknown) =>
    log.warn({ err, kind, subject, job_id: jobId }, say(`A ${kind} task of job ${jobId} is put off`)),
  taskNotSettled: (log: Log, { kind, subject, jobId }: Task, err: unknown) =>
    log.error(
      { err, kind, subject, job_id: jobId },
      say(`Cannot note how a ${kind} task of job ${jobId} ended; trying again`),
    ),
  engineCannotLook: (log: Log, err: unknown) =>
    log.error({ err }, say('Cannot look for tasks; trying again')),
  listenerFailed: (log: Log, err: unknown, topic: string) =>
    log.error({ err, topic }, say(`A listener of ${topic} failed`)),
}
