/** The rules of the settings that need no browser. */
import { describe, expect, it } from 'vitest'
import { endings, jobTypes, namesOf, sceneTypes, typesIn } from '../../page/src/settings/events-chosen.ts'
import { expiryOf, isUsable } from '../../page/src/settings/key-times.ts'
import { reasonWords } from '../../page/src/settings/reason-words.ts'
import { de } from '../../page/src/words/de.ts'
import { eventTypes } from '../../src/job/event.ts'

describe('the events of a webhook', () => {
  it('are all that there are', () => {
    expect([...jobTypes, ...sceneTypes].toSorted()).toEqual([...eventTypes].toSorted())
  })

  it('are the same by type, by topic and by family', () => {
    expect([...typesIn(['jobs:completed', 'scene_held'])]).toEqual(['job_completed', 'scene_held'])
    expect([...typesIn(['jobs:*'])]).toEqual(jobTypes)
    expect(namesOf(new Set([...jobTypes, 'scene_held']))).toEqual(['jobs:*', 'scene_held'])
    expect(namesOf(typesIn(namesOf(endings)))).toEqual([...endings])
  })
})

describe('the end of a key', () => {
  const now = Date.parse('2026-11-27T12:00:00Z')

  it('is some days from now, never, or the end of a day where the person is', () => {
    expect(expiryOf('', '', now)).toBeNull()
    expect(expiryOf('7', '', now)).toBe('2026-12-04T12:00:00.000Z')
    expect(expiryOf('date', '2026-12-31', now)).toBe(new Date(2027, 0, 1).toISOString())
  })

  it('comes by time or by a person', () => {
    const key = { revoked_at: null, expires_at: null }
    expect(isUsable(key, now)).toBe(true)
    expect(isUsable({ ...key, expires_at: '2026-11-27T11:59:59Z' }, now)).toBe(false)
    expect(isUsable({ ...key, revoked_at: '2026-11-01T00:00:00Z' }, now)).toBe(false)
  })
})

it('a failed delivery is told in the language of the page, and in the words of the server where it has none', () => {
  expect(reasonWords('It answered 500', de)).toBe('Antwort 500')
  expect(reasonWords('the host name is unknown to DNS', de)).toBe('the host name is unknown to DNS')
})
