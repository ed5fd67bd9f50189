/** Everything that a person has to decide, in one list: of each kind only what this person may do. */
import type { ReactNode } from 'react'
import { Link } from '../router.tsx'
import { useAttention } from '../server/attention.ts'
import { type AttentionAnswer, approvalOf, client } from '../server/client.ts'
import { useSession } from '../server/session.tsx'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { personIn } from '../ui/person.ts'
import { Problem } from '../ui/problem.tsx'
import { useClockTime } from '../ui/times.tsx'
import { Time, useExactTime, useMoney } from '../ui/values.tsx'
import { useLanguage, useWords } from '../words/words.tsx'
import { Held } from '../waiting/held.tsx'
import { Item } from '../waiting/item.tsx'
import { waits } from '../jobs/waits.ts'

export function Waiting() {
  const words = useWords()
  const { can } = useSession()
  const { data, error, again, count } = useAttention()
  return (
    <div className="waiting">
      <h1>{words.nav.waiting}</h1>
      {error !== undefined && <Problem error={error} again={again} />}
      {data && count === 0 && <Nothing />}
      {data && can('approve') && (
        <>
          <Group title={words.waiting.approvals} kind={data.approvals} all="/jobs?waiting=approval">
            {data.approvals.jobs.map((job) => (
              <Approval key={job.job_id} job={job} again={again} />
            ))}
          </Group>
          <Group title={words.waiting.held} kind={data.held} all="/jobs?waiting=held">
            {data.held.renders.map((render) => (
              <Held key={render.attempt_id} render={render} again={again} />
            ))}
          </Group>
        </>
      )}
      {data && can('admin') && (
        <>
          <Group title={words.waiting.budgets} kind={data.budgets} all={`/jobs?waiting=${waits.budget}`}>
            {data.budgets.jobs.map((job) => (
              <OverBudget key={job.job_id} job={job} />
            ))}
          </Group>
          <Group
            title={words.waiting.pauses}
            kind={{ count: data.pauses.length, more: false }}
            all="/overview"
          >
            {data.pauses.map((pause) => (
              <Paused key={`${pause.renderer} ${pause.set_by}`} pause={pause} again={again} />
            ))}
          </Group>
          <Group title={words.waiting.webhooks} kind={data.webhooks} all="/settings/webhooks">
            {data.webhooks.endpoints.map((endpoint) => (
              <Failing key={endpoint.endpoint_id} endpoint={endpoint} again={again} />
            ))}
          </Group>
        </>
      )}
    </div>
  )
}

function Nothing() {
  const words = useWords()
  const { can } = useSession()
  return (
    <div className="empty">
      <p>{words.waiting.empty}</p>
      {can('submit') && (
        <>
          <p className="quiet">{words.waiting.emptyNext}</p>
          <Link className="button" to="/new">
            {words.nav.newFilm}
          </Link>
        </>
      )}
    </div>
  )
}

interface GroupProps {
  readonly title: string
  readonly kind: { readonly count: number; readonly more: boolean }
  /** Where all of them are. */
  readonly all: string
  readonly children: readonly ReactNode[]
}

function Group({ title, kind: { count, more }, all, children }: GroupProps) {
  const words = useWords()
  const { code } = useLanguage()
  if (count === 0) return null
  const others = count - children.length
  return (
    <section className="waiting-group" aria-label={title}>
      <h2>
        {title} <span className="quiet">{count.toLocaleString(code)}</span>
      </h2>
      <ul className="waiting-list">{children}</ul>
      {more && (
        <Link className="small" to={all}>
          {others > 0 ? words.waiting.more(others.toLocaleString(code)) : words.waiting.showAll}
        </Link>
      )}
    </section>
  )
}

type ApprovalJob = AttentionAnswer['approvals']['jobs'][number]

function Approval({ job, again }: { readonly job: ApprovalJob; readonly again: () => void }) {
  const words = useWords()
  const money = useMoney()
  const exact = useExactTime()
  const { job_id, to_approve, deadline_at } = job
  const approve = useAction(async () => {
    await client.approveJob(job_id, approvalOf(job))
  })
  return (
    <Item
      picture={job.frame_url}
      title={
        <>
          <Link to={`/jobs/${job_id}`}>{job.video_name}</Link>{' '}
          {job.status !== 'pending' && (
            <span className="badge" data-tone="accent">
              {words.waiting.changed}
            </span>
          )}
        </>
      }
      about={
        <>
          {job.client_id !== null && <span>{words.waiting.of(job.client_id)}</span>}
          {job.created_by !== null && <span>{words.waiting.askedBy(job.created_by)}</span>}
          <span>
            <Time at={job.inserted_at} />
          </span>
          {deadline_at !== null && (
            <span className="waiting-deadline">
              {words.waiting.deadline} <Time at={deadline_at} /> ({exact(deadline_at)})
            </span>
          )}
        </>
      }
      {...(to_approve === null && { sum: money(null) })}
      error={approve.error}
      actions={
        <>
          {to_approve !== null && (
            <Button kind="main" disabled={approve.isRunning} onClick={() => void approve.run().then(again)}>
              {to_approve === 0 ? words.waiting.approveFree : words.approve(money(to_approve))}
            </Button>
          )}
          <Link className="button" to={`/jobs/${job_id}`}>
            {words.waiting.open}
          </Link>
        </>
      }
    />
  )
}

type BudgetJob = AttentionAnswer['budgets']['jobs'][number]

function OverBudget({ job }: { readonly job: BudgetJob }) {
  const words = useWords()
  const money = useMoney()
  const { budget, waiting } = job
  return (
    <Item
      title={<Link to={`/jobs/${job.job_id}`}>{job.video_name}</Link>}
      about={
        <>
          {job.client_id !== null && <span>{words.waiting.of(job.client_id)}</span>}
          <span>{waiting?.reason}</span>
          {waiting?.until && (
            <span>
              {words.waiting.goesOn} <Time at={waiting.until} />
            </span>
          )}
        </>
      }
      {...(budget?.missing != null && { sum: words.waiting.missing(money(budget.missing)) })}
      actions={
        <Link className="button" to={`/overview#budget-${encodeURIComponent(budget?.name ?? '')}`}>
          {words.waiting.toBudget}
        </Link>
      }
    />
  )
}

type Pause = AttentionAnswer['pauses'][number]

function Paused({ pause, again }: { readonly pause: Pause; readonly again: () => void }) {
  const words = useWords()
  const { renderer, set_by, by, reason, since, until } = pause
  const resume = useAction(() => client.resume(renderer === null ? {} : { renderer }))
  return (
    <Item
      title={
        set_by === 'person'
          ? words.waiting.pausedBy(renderer, by === null ? null : personIn(by, words))
          : words.waiting.pausedByProvider(renderer ?? '')
      }
      about={
        <>
          {reason !== null && <span>{reason}</span>}
          {since !== null && <Time at={since} />}
          {until !== null && (
            <span>
              {words.waiting.goesOn} <Time at={until} />
            </span>
          )}
        </>
      }
      error={resume.error}
      actions={
        set_by === 'person' && (
          <Button disabled={resume.isRunning} onClick={() => void resume.run().then(again)}>
            {words.waiting.resume}
          </Button>
        )
      }
    />
  )
}

type Endpoint = AttentionAnswer['webhooks']['endpoints'][number]

function Failing({ endpoint, again }: { readonly endpoint: Endpoint; readonly again: () => void }) {
  const words = useWords()
  const clock = useClockTime()
  const { endpoint_id, status, reason, failing_since } = endpoint
  const test = useAction(() => client.testWebhookEndpoint(endpoint_id))
  const enable = useAction(() => client.changeWebhookEndpoint(endpoint_id, { status: 'enabled' }))
  return (
    <Item
      title={<Link to={`/settings/webhooks?deliveries=${endpoint_id}`}>{endpoint.url}</Link>}
      about={
        <>
          {status === 'disabled' && (
            <span className="badge" data-tone="bad">
              {words.waiting.disabled}
            </span>
          )}
          {endpoint.description !== '' && <span>{endpoint.description}</span>}
          {failing_since !== null && (
            <span>
              {words.waiting.failingSince} {clock(failing_since)}
            </span>
          )}
          {reason !== null && <span>{reason}</span>}
        </>
      }
      error={test.error ?? enable.error}
      actions={
        status === 'disabled' ? (
          <Button disabled={enable.isRunning} onClick={() => void enable.run().then(again)}>
            {words.waiting.enable}
          </Button>
        ) : (
          <Button disabled={test.isRunning} onClick={() => void test.run().then(again)}>
            {words.waiting.test}
          </Button>
        )
      }
    />
  )
}
