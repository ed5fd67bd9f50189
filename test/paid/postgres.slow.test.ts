/** The same stories over PostgreSQL: the statements are written once for both databases, and so are the promises. */
import { expect, it } from 'vitest'
import { newPlace } from '../store/open-database.ts'
import { storyOf, tell } from './scenario.ts'

it('stories of faults and kills keep every promise on PostgreSQL too', async () => {
  const wrong: string[] = []
  let billed = 0
  for (let seed = 1; seed <= 20; seed++) {
    const place = await newPlace('postgres')
    const outcome = await tell(storyOf(seed), () => place.open())
    billed += outcome.rendersBilled
    wrong.push(...outcome.wrong.map((sentence) => `seed ${seed}: ${sentence}`))
    await place.remove()
  }
  expect(wrong).toEqual([])
  expect(billed).toBeGreaterThan(20)
}, 1_200_000)
