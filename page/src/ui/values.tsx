/** Values as people read them: money, times, statuses. */
import { useEffect, useState } from 'react'
import type { JobStatus } from '../server/client.ts'
import { serverNow } from '../server/clock.ts'
import { type Words, useLanguage, useWords } from '../words/words.tsx'
import { moneyIn, relativeTime } from './amounts.ts'

export function useMoney(): (usd: number | null) => string {
  const { code, words } = useLanguage()
  return (usd) => (usd === null ? words.unknownPrice : usd === 0 ? words.free : moneyIn(code, usd))
}

/** A time in the reader's language and time zone. */
export function useExactTime(): (at: string) => string {
  const { code } = useLanguage()
  return (at) =>
    new Intl.DateTimeFormat(code, { dateStyle: 'medium', timeStyle: 'short' }).format(Date.parse(at))
}

/** How far away a time is; the exact one, in the reader's time zone, on pointing at it. */
export function Time({ at }: { readonly at: string }) {
  const { code } = useLanguage()
  const [now, setNow] = useState(() => serverNow())
  const ms = Date.parse(at) - now
  const isNear = Math.abs(ms) < 90_000
  useEffect(() => {
    const timer = setInterval(() => setNow(serverNow()), isNear ? 1000 : 30_000)
    return () => clearInterval(timer)
  }, [isNear])
  const exact = new Intl.DateTimeFormat(code, { dateStyle: 'medium', timeStyle: 'medium' }).format(
    Date.parse(at),
  )
  return (
    <time dateTime={at} title={exact}>
      {relativeTime(code, ms)}
    </time>
  )
}

const tones: Readonly<Record<JobStatus, string>> = {
  pending: 'warn',
  approved: 'accent',
  processing: 'accent',
  completed: 'good',
  failed: 'bad',
  cancelled: 'plain',
}

export function Status({ status }: { readonly status: JobStatus }) {
  const words: Words = useWords()
  return (
    <span className="badge" data-tone={tones[status]}>
      {words.status[status]}
    </span>
  )
}

export function useBytes(): (bytes: number) => string {
  const { code } = useLanguage()
  return (bytes) => {
    const steps = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const
    const step = Math.min(steps.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3))
    const format = new Intl.NumberFormat(code, {
      style: 'unit',
      unit: steps[step]!,
      maximumSignificantDigits: 3,
    })
    return format.format(bytes / 1000 ** step)
  }
}

export function Bytes({ bytes }: { readonly bytes: number }) {
  return <span>{useBytes()(bytes)}</span>
}

/** How much of something is used. */
export function Meter({
  value,
  most,
  text = `${value} / ${most}`,
}: {
  readonly value: number
  readonly most: number
  readonly text?: string
}) {
  const share = most > 0 ? Math.min(1, value / most) : 0
  return (
    <span className="meter">
      <span className="meter-bar" aria-hidden="true">
        <span data-full={share >= 1} style={{ inlineSize: `${share * 100}%` }} />
      </span>
      <span className="small">{text}</span>
    </span>
  )
}
