/** Times of day and spans, in the reader's language and time zone. */
import { useEffect, useState } from 'react'
import { serverNow } from '../server/clock.ts'
import { useLanguage } from '../words/words.tsx'

/** The time, again every `everyMs`. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(() => serverNow())
  useEffect(() => {
    const timer = setInterval(() => setNow(serverNow()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return now
}

const minuteMs = 60_000
const hourMs = 3_600_000

/** The reader's own way to write times in the language of the page, such as British English. */
export const localeFor = (code: string): string =>
  navigator.languages.find((tag) => tag === code || tag.startsWith(`${code}-`)) ?? code

const isSameDay = (one: number, other: number): boolean =>
  new Date(one).toDateString() === new Date(other).toDateString()

/** Such as 14:32, with its day where that is another. */
export function useClockTime(): (at: string | number) => string {
  const { code } = useLanguage()
  return (at) => {
    const ms = typeof at === 'number' ? at : Date.parse(at)
    const day = isSameDay(ms, Date.now()) ? {} : ({ day: 'numeric', month: 'short' } as const)
    return new Intl.DateTimeFormat(localeFor(code), { ...day, hour: '2-digit', minute: '2-digit' }).format(ms)
  }
}

/** A text of the server with its times as the reader writes them. */
export function useReadable(): (text: string) => string {
  const clock = useClockTime()
  return (text) => text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (at) => clock(at))
}

/** Such as "2" and "4 minutes", in the unit that fits the longer one. */
export function useSpan(): (leastMs: number, mostMs: number) => readonly [least: string, most: string] {
  const { code } = useLanguage()
  return (leastMs, mostMs) => {
    const [unit, size] =
      mostMs < 90_000
        ? (['second', 1000] as const)
        : mostMs < 90 * minuteMs
          ? (['minute', minuteMs] as const)
          : (['hour', hourMs] as const)
    const counts = [leastMs, mostMs].map((ms) => Math.max(1, Math.round(ms / size)))
    const [least = 1, most = 1] = counts
    const whole = new Intl.NumberFormat(code, { style: 'unit', unit, unitDisplay: 'long' })
    return least === most
      ? [whole.format(most), whole.format(most)]
      : [new Intl.NumberFormat(code).format(least), whole.format(most)]
  }
}

/** A place in a film, such as 1:05. */
export const placeOf = (seconds: number): string => {
  const whole = Math.floor(seconds)
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}

/** What an input of type `datetime-local` holds, in the reader's time zone; empty without a time. */
export function localInput(at: string | null): string {
  if (at === null) return ''
  const date = new Date(at)
  return new Date(date.getTime() - date.getTimezoneOffset() * minuteMs).toISOString().slice(0, 16)
}
