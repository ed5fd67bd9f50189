/** The job while it runs: how far it is, when it is ready, why it waits; pause and cancel. Afterwards why it failed. */
import { useEffect, useId, useState } from 'react'
import { type JobAnswer, type RetryRequest, type SceneAnswer, client } from '../server/client.ts'
import { useLive } from '../server/live.ts'
import { useSession } from '../server/session.tsx'
import { historySource, jobSource } from '../server/sources.ts'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { personIn } from '../ui/person.ts'
import { Confirm } from '../ui/sheet.tsx'
import { Problem } from '../ui/problem.tsx'
import { useClockTime, useNow, useReadable, useSpan } from '../ui/times.tsx'
import { useMoney } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'
import { Plan } from './plan.tsx'
import { SceneWaits, Wait } from './wait.tsx'

interface RunningProps {
  readonly job: JobAnswer
  readonly scenes: readonly SceneAnswer[]
}

const openStatuses: ReadonlySet<string> = new Set(['pending', 'approved', 'processing'])

export const isOpen = ({ status }: Pick<JobAnswer, 'status'>): boolean => openStatuses.has(status)

export function Running({ job, scenes }: RunningProps) {
  if (job.status === 'completed') return null
  if (job.status === 'failed' || job.status === 'cancelled') return <Ended job={job} scenes={scenes} />
  return (
    <section className="card running">
      {job.status !== 'pending' && <HowFar job={job} scenes={scenes} />}
      <Plan job={job} />
      <Controls job={job} scenes={scenes} />
    </section>
  )
}

function HowFar({ job, scenes }: RunningProps) {
  const words = useWords()
  const { again } = useLive(jobSource(job.job_id))
  const { progress_percentage: percentage, current_stage: stage } = job
  const isRendering = scenes.some(({ status }) => status === 'processing')
  // An event of progress tells the whole's, not each scene's.
  useEffect(() => {
    if (isRendering) again()
  }, [percentage, isRendering, again])
  const ready = scenes.filter(({ status }) => status === 'completed').length
  const said = words.running.stages[stage] ?? stage
  return (
    <>
      <div className="running-head">
        <strong>{said}</strong>
        <span className="running-percent">{percentage} %</span>
      </div>
      <progress max={100} value={percentage} aria-label={said} />
      <p className="small quiet">{words.running.ready(ready, scenes.length)}</p>
      <Expected eta={job.eta} />
      {job.paused_at !== null ? (
        <PausedBy job={job} />
      ) : job.waiting === null ? (
        <SceneWaits scenes={scenes} />
      ) : (
        <Wait waiting={job.waiting} />
      )}
    </>
  )
}

/** In half of the cases, and in nine of ten. */
function Expected({ eta }: Pick<JobAnswer, 'eta'>) {
  const words = useWords()
  const span = useSpan()
  const clock = useClockTime()
  const now = useNow(5000)
  if (!eta) return null
  const { running, finished_at: finished } = eta
  const said = (leastMs: number, mostMs: number): string => words.running.about(...span(leastMs, mostMs))
  if (!running) return <p className="small quiet">{words.running.notMeasured}</p>
  if (!finished)
    return (
      <p className="small quiet">
        {words.running.startUnknown(said(running.p50 * 1000, running.p90 * 1000))}
      </p>
    )
  const [least, most] = [Date.parse(finished.p50), Date.parse(finished.p90)]
  if (most <= now) return <p className="running-eta">{words.running.anyMoment}</p>
  return (
    <p className="running-eta">
      {said(Math.max(0, least - now), most - now)}{' '}
      <span className="quiet">({words.running.readyAt(clock(Math.max(least, now)), clock(most))})</span>
    </p>
  )
}

function PausedBy({ job }: Pick<RunningProps, 'job'>) {
  const words = useWords()
  const { data = [] } = useLive(historySource(job.job_id))
  const pause = data.findLast(({ type }) => type === 'job_paused')
  const reason = pause?.reason
  return (
    <p className="note" role="status">
      {words.running.pausedBy(pause ? personIn(pause.by, words) : '')}
      {reason !== undefined && `: ${reason}`}
      {job.paused_at !== null && <PausedSince at={job.paused_at} />}
    </p>
  )
}

function PausedSince({ at }: { readonly at: string }) {
  const words = useWords()
  const clock = useClockTime()
  return <span className="small"> ({words.waits.since(clock(at))})</span>
}

function Controls({ job, scenes }: RunningProps) {
  const words = useWords()
  const { can } = useSession()
  const [asked, setAsked] = useState<'pause' | 'cancel'>()
  const resume = useAction(() => client.resumeJob(job.job_id))
  const close = (): void => setAsked(undefined)
  return (
    <>
      {resume.error !== undefined && <Problem error={resume.error} />}
      <div className="running-actions">
        {can('approve') && job.paused_at === null && (
          <Button onClick={() => setAsked('pause')}>{words.running.pause}</Button>
        )}
        {can('approve') && job.paused_at !== null && (
          <Button kind="main" disabled={resume.isRunning} onClick={() => void resume.run()}>
            {words.running.resume}
          </Button>
        )}
        {(can('submit') || can('approve')) && (
          <Button kind="danger" onClick={() => setAsked('cancel')}>
            {words.running.cancel}
          </Button>
        )}
      </div>
      <PauseDialog job={job} isOpen={asked === 'pause'} onClose={close} />
      <CancelDialog job={job} scenes={scenes} isOpen={asked === 'cancel'} onClose={close} />
    </>
  )
}

interface AskProps {
  readonly isOpen: boolean
  readonly onClose: () => void
}

const why = (reason: string) => (reason.trim() === '' ? {} : { reason: reason.trim() })

function Reason({
  label,
  value,
  onChange,
}: {
  readonly label: string
  readonly value: string
  readonly onChange: (reason: string) => void
}) {
  const id = useId()
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        className="input"
        maxLength={500}
        value={value}
        onChange={({ target }) => onChange(target.value)}
      />
    </div>
  )
}

function PauseDialog({ job, isOpen: isAsked, onClose }: AskProps & Pick<RunningProps, 'job'>) {
  const { running } = useWords()
  const [reason, setReason] = useState('')
  const pause = useAction(() => client.pauseJob(job.job_id, why(reason)))
  return (
    <Confirm
      title={`${running.pause}: ${job.video_name}`}
      act={running.pause}
      keep={running.keep}
      isOpen={isAsked}
      onClose={onClose}
      isRunning={pause.isRunning}
      error={pause.error}
      onConfirm={() => void pause.run().then((isDone) => isDone && onClose())}
    >
      <p>{running.pausing}</p>
      <Reason label={running.pauseReason} value={reason} onChange={setReason} />
    </Confirm>
  )
}

function CancelDialog({ job, scenes, isOpen: isAsked, onClose }: AskProps & RunningProps) {
  const { running } = useWords()
  const money = useMoney()
  const [reason, setReason] = useState('')
  const cancel = useAction(() => client.cancelJob(job.job_id, why(reason)))
  const { spent, reserved } = job.costs
  const ready = scenes.filter(({ status }) => status === 'completed').length
  return (
    <Confirm
      title={running.cancelTitle(job.video_name)}
      act={running.cancelNow}
      keep={running.keep}
      kind="danger"
      isOpen={isAsked}
      onClose={onClose}
      isRunning={cancel.isRunning}
      error={cancel.error}
      onConfirm={() => void cancel.run().then((isDone) => isDone && onClose())}
    >
      <ul className="sheet-facts">
        <li>{spent === 0 ? running.nothingCharged : running.staysCharged(money(spent))}</li>
        {reserved > 0 && <li>{running.mayBeCharged(money(reserved))}</li>}
        {ready > 0 && <li>{running.keepsClips(ready)}</li>}
      </ul>
      <Reason label={running.reason} value={reason} onChange={setReason} />
    </Confirm>
  )
}

/** What another try costs, by the scenes that are not ready; null: an unknown price. */
function costOfRetry({ costs }: JobAnswer, scenes: readonly SceneAnswer[]): number | null {
  const ready = new Set(scenes.filter(({ status }) => status === 'completed').map(({ id }) => id))
  let sum = 0
  for (const { scene_id: id, estimated } of costs.scenes) {
    if (ready.has(id)) continue
    if (estimated === null) return null
    sum += estimated
  }
  return toMicros(sum)
}

/** Sums of dollars are whole millionths. */
const toMicros = (usd: number): number => Math.round(usd * 1_000_000) / 1_000_000

/** It approves what the button says. */
function retryOf({ revision, costs }: JobAnswer, cost: number | null): RetryRequest {
  const { approved, reserved, spent } = costs
  if (cost === null || spent === null) return { revision, accept_unknown_cost: true }
  return { revision, max_cost: Math.max(approved, toMicros(reserved + spent + cost)) }
}

/** A failed or cancelled job: why, and what another try costs. */
function Ended({ job, scenes }: RunningProps) {
  const words = useWords()
  const money = useMoney()
  const { can } = useSession()
  const readable = useReadable()
  const { error } = job
  const cost = costOfRetry(job, scenes)
  const isLate = job.deadline_at !== null && Date.parse(job.deadline_at) <= Date.now()
  const retry = useAction(() =>
    client.retryJob(job.job_id, { ...retryOf(job, cost), ...(isLate && { deadline_at: null }) }),
  )
  const failed = error?.scene_id === undefined ? undefined : scenes.find(({ id }) => id === error.scene_id)
  const kept = scenes.filter(({ status }) => status === 'completed').length
  return (
    <section className="card running">
      {job.status === 'failed' ? (
        <>
          <strong>{words.running.failedBecause}</strong>
          {failed && (
            <p className="small quiet">
              {words.running.inScene(words.job.sceneName(failed.position + 1, failed.title))}
            </p>
          )}
          {error && <p className="problem">{readable(error.reason)}</p>}
        </>
      ) : (
        <p>{words.running.wasCancelled}</p>
      )}
      <p className="small quiet">{words.running.retryTells(kept, scenes.length - kept)}</p>
      {can('approve') && (
        <>
          {isLate && <p className="note small">{words.running.retryWithoutDeadline}</p>}
          {retry.error !== undefined && <Problem error={retry.error} />}
          <Button kind="main" disabled={retry.isRunning} onClick={() => void retry.run()}>
            {cost === 0 ? words.running.retryForFree : words.running.retry(money(cost))}
          </Button>
        </>
      )}
    </section>
  )
}
