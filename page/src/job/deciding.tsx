/** What the job costs, and the buttons that decide about it. */
import { useState } from 'react'
import { type JobAnswer, client } from '../server/client.ts'
import { useSession } from '../server/session.tsx'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { useCommands } from '../ui/commands.ts'
import { Problem } from '../ui/problem.tsx'
import { useMoney } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'

export function Deciding({ job }: { readonly job: JobAnswer }) {
  const words = useWords()
  const money = useMoney()
  const { can } = useSession()
  const { costs } = job
  return (
    <aside className="deciding card">
      <dl className="sums">
        <dt>{words.costs.toPay}</dt>
        <dd className="sums-main">{money(job.to_approve)}</dd>
        <dt>{words.costs.spent}</dt>
        <dd>{money(costs.spent)}</dd>
        <dt>{words.costs.reserved}</dt>
        <dd>{money(costs.reserved)}</dd>
      </dl>
      {job.rejected && <p className="note">{words.job.sentBack(job.rejected.by ?? '', job.rejected.note)}</p>}
      {job.needs_approval && can('approve') && <Approve job={job} />}
    </aside>
  )
}

function Approve({ job }: { readonly job: JobAnswer }) {
  const words = useWords()
  const money = useMoney()
  const [isSendingBack, setSendingBack] = useState(false)
  const [note, setNote] = useState('')
  const approve = useAction(() => client.approveJob(job))
  const reject = useAction(() => client.rejectJob(job.job_id, { note }))
  const error = approve.error ?? reject.error
  // Not a single letter: it spends money.
  const price = job.to_approve === null ? null : money(job.to_approve)
  useCommands([
    { name: words.approve(price), keys: 'mod+enter', run: () => void approve.run() },
    { name: words.job.sendBack, keys: 's', run: () => setSendingBack(true) },
  ])
  return (
    <>
      {error !== undefined && <Problem error={error} />}
      <Button
        kind="main"
        size="large"
        aria-keyshortcuts="Control+Enter"
        disabled={approve.isRunning}
        onClick={() => void approve.run()}
      >
        {words.approve(price)}
      </Button>
      {isSendingBack ? (
        <form
          className="send-back"
          onSubmit={(event) => {
            event.preventDefault()
            void reject.run().then((isDone) => isDone && setSendingBack(false))
          }}
        >
          <div className="field">
            <label htmlFor="note">{words.job.whatToChange}</label>
            <textarea
              id="note"
              className="input"
              rows={3}
              value={note}
              autoFocus
              onChange={(event) => setNote(event.target.value)}
            />
          </div>
          <Button type="submit" disabled={note.trim() === '' || reject.isRunning}>
            {words.job.sendBack}
          </Button>
        </form>
      ) : (
        <Button aria-keyshortcuts="s" onClick={() => setSendingBack(true)}>
          {words.job.sendBack}
        </Button>
      )}
    </>
  )
}
