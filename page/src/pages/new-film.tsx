/** From dropped photographs to a job that waits for approval. What it costs and when it is ready is known at every step. */
import { useEffect, useMemo, useState } from 'react'
import { ChoiceFields } from '../film/choice-fields.tsx'
import { type Choices, fieldFor, options, requestOf, scenesOf } from '../film/choices.ts'
import { type Draft, arrange, choose, startOver, uploadAgain, useDraft } from '../film/draft.ts'
import { Drop } from '../film/drop.tsx'
import { problemsIn, useEstimate } from '../film/estimate.ts'
import { type Photograph, arranged, isLeft, isReady, isUnderWay } from '../film/photograph.ts'
import { Photographs } from '../film/photographs.tsx'
import { Sums } from '../film/sums.tsx'
import { go } from '../router.tsx'
import { client } from '../server/client.ts'
import { useSession } from '../server/session.tsx'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { useCommands } from '../ui/commands.ts'
import { ChoiceField } from '../ui/field.tsx'
import { Problem } from '../ui/problem.tsx'
import { Bytes } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'

export function NewFilm() {
  const words = useWords()
  const { can } = useSession()
  if (can('submit')) return <Making />
  return (
    <div className="empty">
      <h1>{words.nav.newFilm}</h1>
      <p className="quiet">{words.newFilm.notAllowed}</p>
    </div>
  )
}

/** Whoever may make films for one client alone names no other. */
function useChoices({ choices }: Draft): Choices {
  const { session } = useSession()
  const isBound = (session?.session?.client_id ?? null) !== null
  return useMemo(() => (isBound ? { ...choices, client: '' } : choices), [choices, isBound])
}

/** Opens what holds the field, and puts the cursor there. */
function focusOn(field: string): void {
  const element = document.getElementById(`film-${field}`)
  const fold = element?.closest('details')
  if (fold) fold.open = true
  element?.focus()
}

function Making() {
  const words = useWords()
  const draft = useDraft()
  const { photographs } = draft
  const choices = useChoices(draft)
  const request = useMemo(() => requestOf(photographs, choices), [photographs, choices])
  const estimate = useEstimate(request)
  const { answer, isOld } = estimate

  useEffect(() => {
    if (!answer || isOld || choices.type !== 'property_photos' || choices.photoOrder !== 'visit') return
    arrange(
      arranged(
        photographs,
        answer.storyboard.scenes.flatMap(({ asset_ids: ids }) => ids),
      ),
    )
  }, [answer, isOld, choices, photographs])

  const [missing, setMissing] = useState<readonly (readonly [field: string, reason: string])[]>([])
  useEffect(() => setMissing([]), [photographs, choices])
  const create = useAction(async () => {
    if (!request) return
    const { job_id: id } = await client.createJob(request)
    startOver()
    go(`/jobs/${id}`)
  })
  const { clear } = create
  useEffect(() => clear(), [request, clear])

  const refused = create.error ?? estimate.error
  const problems = useMemo(
    () =>
      new Map([
        ...(problemsIn(refused) ?? []).map(
          ({ field, reason }) => [fieldFor(field, photographs), reason] as const,
        ),
        ...missing,
      ]),
    [refused, photographs, missing],
  )
  /** The person wants the film planned, once all photographs are there. */
  const [isWanted, setWanted] = useState(false)
  const isArriving = photographs.some(isUnderWay)
  const plan = async (): Promise<void> => {
    setWanted(isArriving)
    if (isArriving) return
    const wanting = whatIsMissing(photographs, choices, words.newFilm)
    if (wanting.length > 0) {
      setMissing(wanting)
      return focusOn(wanting[0]![0])
    }
    const [first] = problems.keys()
    if (first !== undefined && create.error === undefined) return focusOn(first)
    await create.run()
  }
  useEffect(() => {
    if (isWanted && !isArriving) void plan()
    // oxlint-disable-next-line react/exhaustive-deps -- once, when the last has arrived
  }, [isWanted, isArriving])
  // After a refusal, at the first field that it is about.
  useEffect(() => {
    const [first] = problemsIn(create.error) ?? []
    if (first) focusOn(fieldFor(first.field, photographs))
    // oxlint-disable-next-line react/exhaustive-deps -- once for each refusal
  }, [create.error])
  useCommands([{ name: words.newFilm.create, keys: 'mod+enter', run: () => void plan() }])

  const isFirst = photographs.length === 0
  const other = problems.get('other')
  return (
    <div className="new-film">
      <header className="new-film-head">
        <h1>{words.nav.newFilm}</h1>
        {!isFirst && <Button onClick={startOver}>{words.newFilm.startOver}</Button>}
      </header>
      <div className="new-film-main">
        <section className="new-film-photographs" aria-label={words.newFilm.photographs}>
          {!isFirst && <Arrived draft={draft} />}
          <Drop isFirst={isFirst} problem={problems.get('photographs')} />
          {draft.leftOut.length > 0 && (
            <p className="note small" role="status">
              {words.newFilm.leftOut(draft.leftOut)}
            </p>
          )}
          {isFirst ? (
            <Steps />
          ) : (
            <Photographs photographs={photographs} choices={choices} problems={problems} />
          )}
        </section>
        <aside className="card new-film-side" aria-label={words.newFilm.film}>
          <ChoiceFields choices={choices} problems={problems} />
          <div className="new-film-end">
            <Sums estimate={estimate} underWay={photographs.filter(isUnderWay).length} />
            {other !== undefined && <p className="problem">{other}</p>}
            {create.error !== undefined && !problemsIn(create.error) && <Problem error={create.error} />}
            <Button
              kind="main"
              size="large"
              aria-keyshortcuts="Control+Enter"
              disabled={create.isRunning || isWanted}
              onClick={() => void plan()}
            >
              {words.newFilm.create}
            </Button>
            <p className="small quiet" role="status">
              {isWanted ? words.newFilm.stillArriving : words.newFilm.nothingSpent}
            </p>
          </div>
        </aside>
      </div>
    </div>
  )
}

/** What keeps the film from being planned, by field. */
function whatIsMissing(
  photographs: readonly Photograph[],
  { type }: Choices,
  words: ReturnType<typeof useWords>['newFilm'],
): readonly (readonly [field: string, reason: string])[] {
  const left = photographs.filter(isLeft)
  if (left.length > 0) return [[`photograph-${left[0]!.id}`, words.removeOrAgain]]
  if (scenesOf(photographs.length, type) > 0) return []
  return [['photographs', type === 'image_pairs' ? words.needsTwo : words.needsOne]]
}

/** How the uploads go, all together. */
function Arrived({ draft: { photographs, choices } }: { readonly draft: Draft }) {
  const words = useWords().newFilm
  const failed = photographs.filter(({ state }) => state === 'failed').map(({ id }) => id)
  const ready = photographs.filter(isReady).length
  const bytes = photographs.reduce((sum, one) => sum + one.bytes, 0)
  const sent = photographs.reduce(
    (sum, one) => sum + (isReady(one) ? one.bytes : Math.min(one.sent, one.bytes)),
    0,
  )
  return (
    <div className="arrived">
      <p role="status">{words.arrived(ready, photographs.length)}</p>
      {photographs.some(isUnderWay) && (
        <>
          <progress aria-label={words.inAll} max={Math.max(1, bytes)} value={sent} />
          <span className="small quiet">
            <Bytes bytes={sent} /> / <Bytes bytes={bytes} />
          </span>
        </>
      )}
      {failed.length > 1 && (
        <Button onClick={() => uploadAgain(failed)}>{words.allAgain(failed.length)}</Button>
      )}
      {choices.type === 'property_photos' && photographs.length > 1 && (
        <div className="arrived-order">
          <ChoiceField
            id="film-photoOrder"
            label={words.fields.photoOrder}
            value={choices.photoOrder}
            options={options.photoOrder.map((order) => [order, words.orders[order]])}
            onChange={(photoOrder) => choose({ photoOrder })}
          />
        </div>
      )}
    </div>
  )
}

/** Without photographs: what comes next. */
function Steps() {
  const { steps } = useWords().newFilm
  return (
    <ol className="steps">
      {steps.map(([title, text]) => (
        <li key={title}>
          <h2>{title}</h2>
          <p className="quiet">{text}</p>
        </li>
      ))}
    </ol>
  )
}
