/** What the film would cost, how long it would be, and when it would be ready. */
import type { EstimateAnswer } from '../server/client.ts'
import { Problem } from '../ui/problem.tsx'
import { noteIn } from '../ui/notes.ts'
import { useMoney } from '../ui/values.tsx'
import { type Words, useLanguage, useWords } from '../words/words.tsx'
import { type Estimate, problemsIn } from './estimate.ts'

/** Scenes that would cost something, and take a kept clip or another scene's. */
const reusedIn = ({ scenes, storyboard }: EstimateAnswer): number =>
  scenes.filter(({ position, estimated }) => estimated === 0 && storyboard.scenes[position]?.price !== 0)
    .length

/** As exact as one can say it beforehand. */
function useAbout(): (seconds: number) => string {
  const { code } = useLanguage()
  return (seconds) => {
    const [value, unit] =
      seconds < 90
        ? [seconds, 'second']
        : seconds < 5400
          ? [seconds / 60, 'minute']
          : [seconds / 3600, 'hour']
    const digits = unit === 'hour' ? 1 : 0
    return new Intl.NumberFormat(code, {
      style: 'unit',
      unit,
      unitDisplay: 'long',
      maximumFractionDigits: digits,
    }).format(Math.max(1, value))
  }
}

function useReady({ eta }: Pick<EstimateAnswer, 'eta'>): string {
  const words = useWords().newFilm
  const about = useAbout()
  if (!eta?.waiting || !eta.running) return words.noTime
  const [soon, late] = [about(eta.waiting.p50 + eta.running.p50), about(eta.waiting.p90 + eta.running.p90)]
  return soon === late ? words.readyIn(soon) : words.readyBetween(soon, late)
}

export function Sums({ estimate, underWay }: { readonly estimate: Estimate; readonly underWay: number }) {
  const words = useWords()
  const { answer, error, isOld } = estimate
  const isTold = problemsIn(error) !== undefined
  return (
    <div className="film-sums" data-old={isOld || error !== undefined} aria-live="polite" aria-busy={isOld}>
      {error !== undefined && !isTold && <Problem error={error} />}
      {error !== undefined && isTold && <p className="field-problem">{words.newFilm.notYet}</p>}
      {answer ? <Answer answer={answer} /> : <p className="quiet">{words.newFilm.noSum}</p>}
      {underWay > 0 && answer && <p className="small quiet">{words.newFilm.without(underWay)}</p>}
    </div>
  )
}

function Answer({ answer }: { readonly answer: EstimateAnswer }) {
  const words = useWords()
  const money = useMoney()
  const ready = useReady(answer)
  const reused = reusedIn(answer)
  const { scenes, total_duration: seconds, format } = answer.storyboard
  const notes = notesOf(scenes, words)
  return (
    <>
      <dl className="sums">
        <dt>{words.newFilm.cost}</dt>
        <dd className="sums-main">{money(answer.estimated_cost)}</dd>
        <dt>{words.newFilm.length}</dt>
        <dd>
          {words.seconds(seconds)} · {words.scenes(answer.total_scenes)}
        </dd>
        <dt>{words.newFilm.picture}</dt>
        <dd>
          {format.width} × {format.height}
        </dd>
      </dl>
      {reused > 0 && <p className="small film-reused">{words.newFilm.reused(reused, answer.total_scenes)}</p>}
      <p className="small quiet">{ready}</p>
      {notes.length > 0 && (
        <details className="fold small">
          <summary>{words.newFilm.notes(notes.length)}</summary>
          <ul className="film-notes">
            {notes.map(([note, numbers]) => (
              <li key={note}>
                {note} <span className="quiet">{words.newFilm.ofScenes(numbers)}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  )
}

/** Each note once, with the numbers of its scenes. */
function notesOf(
  scenes: EstimateAnswer['storyboard']['scenes'],
  words: Words,
): readonly (readonly [note: string, numbers: readonly number[]])[] {
  const found = new Map<string, number[]>()
  for (const [index, { notes }] of scenes.entries())
    for (const note of notes.map((one) => noteIn(one, words)))
      found.set(note, [...(found.get(note) ?? []), index + 1])
  return [...found]
}
