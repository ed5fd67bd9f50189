/** The one reason why something waits, and until when. */
import type { JobAnswer } from '../server/client.ts'
import { Link } from '../router.tsx'
import { useClockTime } from '../ui/times.tsx'
import { useLanguage } from '../words/words.tsx'

export function Wait({ waiting }: { readonly waiting: NonNullable<JobAnswer['waiting']> }) {
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
