/**
 * Tells as many stories as asked for and says what came of them.
 * Run: npx node test/paid/run.ts [stories] [first seed]
 */
import { storyOf, tell } from './scenario.ts'

const count = Number(process.argv[2] ?? 10_000)
const first = Number(process.argv[3] ?? 1)

const sum = { stories: 0, wrong: 0, kills: 0, posts: 0, billed: 0, held: 0 }
const begun = performance.now()
for (let seed = first; seed < first + count; seed++) {
  const outcome = await tell(storyOf(seed))
  sum.stories++
  sum.kills += outcome.kills
  sum.posts += outcome.posts
  sum.billed += outcome.rendersBilled
  sum.held += outcome.held
  if (outcome.wrong.length === 0) continue
  sum.wrong++
  console.log(`seed ${seed}: ${outcome.wrong.join('; ')}`)
}
console.log(
  `${sum.stories} stories from seed ${first}: ${sum.kills} kills, ${sum.posts} POSTs, ${sum.billed} renders billed, ${sum.held} attempts decided by a person; ${sum.wrong} broke a promise (${Math.round((performance.now() - begun) / 1000)} s)`,
)
process.exitCode = sum.wrong === 0 ? 0 : 1
