/** Names from elsewhere in the sentences of the page. */
import { expect, it } from 'vitest'
import { de } from '../../page/src/words/de.ts'
import { en } from '../../page/src/words/en.ts'

it.each([en, de])('a name that is written from right to left turns nothing around beside it', (words) => {
  expect(words.job.sceneName(2, 'غرفة')).toBe('2 \u2068غرفة\u2069')
  expect(words.waiting.of('عميل')).toMatch(/ \u2068عميل\u2069$/u)
  expect(words.job.sceneName(2, 'Küche')).toBe('2 Küche')
})
