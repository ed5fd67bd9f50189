/** Sums, spans of time and the notes of a plan, as people read them. */
import { afterEach, describe, expect, it } from 'vitest'
import { learnClock, serverNow } from '../../page/src/server/clock.ts'
import { moneyIn, relativeTime } from '../../page/src/ui/amounts.ts'
import { noteIn } from '../../page/src/ui/notes.ts'
import { de } from '../../page/src/words/de.ts'
import { en } from '../../page/src/words/en.ts'
import { titleNotes } from '../../src/job/title.ts'

describe('a sum', () => {
  it.each([
    [0.004, '$0.004'],
    [0.025, '$0.025'],
    [0.4, '$0.40'],
    [1.2, '$1.20'],
    [12_345.67, '$12,345.67'],
  ])('of %d dollars is %s', (usd, said) => expect(moneyIn('en', usd)).toBe(said))
})

describe('a time', () => {
  it('is said in the unit that fits', () => {
    expect(relativeTime('en', -59_000)).toBe('59 seconds ago')
    expect(relativeTime('en', -7_200_000)).toBe('2 hours ago')
    expect(relativeTime('de', 86_400_000)).toBe('morgen')
  })
})

describe("the server's time", () => {
  const now = Date.parse('2026-05-01T12:00:00Z')
  const sent = (ms: number): string => new Date(now + ms).toUTCString()
  afterEach(() => learnClock(sent(0), now))

  it('is learned from its answers, where the clocks differ', () => {
    learnClock(sent(120_000), now)
    expect(serverNow(now)).toBe(now + 120_000)
    learnClock(sent(-3_600_000), now)
    expect(serverNow(now)).toBe(now - 3_600_000)
  })

  it('is that of this machine, where they differ by no more than an answer takes', () => {
    learnClock(sent(-2000), now)
    expect(serverNow(now)).toBe(now)
  })

  it('stays as it was after an answer without a date', () => {
    learnClock(sent(120_000), now)
    learnClock(null, now)
    expect(serverNow(now)).toBe(now + 120_000)
  })
})

describe('a note of a plan', () => {
  const model = 'google/veo-3.1-fast'

  it.each<readonly [note: string, part: string]>([
    [`the title "A "B" C" will not appear: ${model} cannot draw text`, `Der Titel erscheint nicht: ${model}`],
    [`2 s rounded up to 4 s (${model} without sound offers 4, 6 or 8 s)`, `${model} bietet 4, 6 oder 8 s`],
    [`the film is 360p; ${model} with a last image renders it at 720p`, `${model} rendert mit 720p`],
    ['audio is ignored: local renders no sound', 'local'],
    [`audio cannot be turned off: ${model} always renders sound`, 'immer'],
    ...titleNotes('Küche 𓀀'.repeat(40), { width: 320, height: 180, fps: 24 }).map(
      (note) => [note, 'Titel'] as const,
    ),
  ])('is said in the language of the reader: %s', (note, part) => {
    expect(noteIn(note, de)).toContain(part)
    expect(noteIn(note, de)).not.toMatch(/the |rounded|will /)
    expect(noteIn(note, en)).not.toBe(note)
  })

  it('is shown as the server says it where the page has no words for it', () =>
    expect(noteIn('something new', de)).toBe('something new'))
})
