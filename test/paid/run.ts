/**
 * Tells as many stories as asked for, or one that is killed at each await, and says what came of them.
 * Run: npx node test/paid/run.ts [stories] [first seed]
 *      npx node test/paid/run.ts awaits
 */
import { type Outcome, killedEverywhere, storyOf, tell } from './scenario.ts'

const [what = '10000', from = '1'] = process.argv.slice(2)

async function* seeded(count: number, first: number): AsyncGenerator<Outcome> {
  for (let seed = first; seed < first + count; seed++) yield tell(storyOf(seed))
}

async function* everywhere(): AsyncGenerator<Outcome> {
  yield* killedEverywhere(true, 0)
  yield* killedEverywhere(false, 120_000)
  yield* killedEverywhere(true, 0, 3)
}

const sum = { stories: 0, wrong: 0, kills: 0, posts: 0, billed: 0, held: 0 }
const begun = performance.now()
for await (const outcome of what === 'awaits' ? everywhere() : seeded(Number(what), Number(from))) {
  sum.stories++
  sum.kills += outcome.kills
  sum.posts += outcome.posts
  sum.billed += outcome.rendersBilled
  sum.held += outcome.held
  if (outcome.wrong.length === 0) continue
  sum.wrong++
  console.log(`seed ${outcome.seed}: ${outcome.wrong.join('; ')}`)
}
console.log(
  `${sum.stories} stories: ${sum.kills} kills, ${sum.posts} POSTs, ${sum.billed} renders billed, ${sum.held} attempts decided by a person; ${sum.wrong} broke a promise (${Math.round((performance.now() - begun) / 1000)} s)`,
)
process.exitCode = sum.wrong === 0 ? 0 : 1
