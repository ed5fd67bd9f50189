/** The one reason why something waits, and until when. */
import type { JobAnswer, SceneAnswer } from '../server/client.ts'
import { Link } from '../router.tsx'
import { useClockTime } from '../ui/times.tsx'
import { useLanguage } from '../words/words.tsx'

type Waiting = NonNullable<JobAnswer['waiting']>

export function Wait({ waiting }: { readonly waiting: Waiting }) {
  const { code: language, words } = useLanguage()
  const clock = useClockTime()
  const { code, reason, since, until } = waiting
  return (
    <div className="wait" role="status">
      <p>{words.waits.codes[code] ?? reason}</p>
      <p className="small quiet">
        {until === null ? words.waits.since(clock(since)) : words.waits.until(clock(until))}
        {/* The server's own words, which name numbers and renderers, are English. */}
        {language === 'en' && ` · ${reason}`}
      </p>
      {code === 'held' && <Link to="/">{words.waits.decide}</Link>}
    </div>
  )
}

/** A clip is fetched within moments. */
const passing: Waiting['code'] = 'fetching'

/** Why scenes of a running job wait: each reason once. */
export function SceneWaits({ scenes }: { readonly scenes: readonly SceneAnswer[] }) {
  const { words } = useLanguage()
  const clock = useClockTime()
  const reasons = new Map<string, Waiting[]>()
  for (const { waiting } of scenes)
    if (waiting && waiting.code !== passing)
      reasons.set(waiting.code, [...(reasons.get(waiting.code) ?? []), waiting])
  if (reasons.size === 0) return null
  return (
    <ul className="wait small">
      {[...reasons].map(([code, waits]) => {
        const until = waits.map((one) => one.until).filter((time) => time !== null)
        return (
          <li key={code}>
            {words.waits.scenes(waits.length)}: {words.waits.codes[code] ?? waits[0]!.reason}
            {until.length === waits.length && ` (${words.waits.until(clock(until.toSorted().at(-1)!))})`}{' '}
            {code === 'held' && <Link to="/">{words.waits.decide}</Link>}
          </li>
        )
      })}
    </ul>
  )
}
