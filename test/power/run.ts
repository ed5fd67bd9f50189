/**
 * Cuts the power of servers at work as often as asked for, and says what came of it. Needs root, for disks of its own.
 * Run: npx node test/power/run.ts [cuts] [first seed]
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { inOwnMounts, whyNoPowerDisk } from './disk.ts'
import { type Aim, type Outcome, aims, cutsAStory, storyOf, tell } from './story.ts'

const inside = '--in-own-mounts'
/** Told side by side: a story also waits. */
const lanes = 2

async function run(cuts: number, first: number): Promise<boolean> {
  const stories = Array.from({ length: Math.ceil(cuts / cutsAStory) }, (_, index) =>
    storyOf(first + index, Math.min(cutsAStory, cuts - index * cutsAStory)),
  )
  // Those that are being told end; a second signal doesn't wait.
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => (stories.length > 0 ? void stories.splice(0) : process.exit(1)))
  const outcomes: Outcome[] = []
  const begun = performance.now()
  const lane = async (): Promise<void> => {
    for (let story = stories.shift(); story; story = stories.shift()) {
      const outcome = await tell(story)
      outcomes.push(outcome)
      for (const what of outcome.wrong) console.log(`seed ${outcome.seed}: ${what}`)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))

  const sum = (of: (outcome: Outcome) => number): number =>
    outcomes.reduce((total, outcome) => total + of(outcome), 0)
  const byAim = aims.map((aim: Aim) => `${aim} ${sum((outcome) => outcome.cuts[aim])}`).join(', ')
  const broken = outcomes.filter(({ wrong }) => wrong.length > 0).length
  console.log(
    `${sum((outcome) => Object.values(outcome.cuts).reduce((total, count) => total + count, 0))} cuts (${byAim}): ` +
      `${sum(({ answers }) => answers)} answers, ${sum(({ unanswered }) => unanswered)} requests without one, ` +
      `${sum(({ checks }) => checks)} comparisons with what was answered, ${sum(({ artifacts }) => artifacts)} artifacts read, ` +
      `${sum(({ films }) => films)} films; ` +
      `${broken} of ${outcomes.length} stories broke a promise (${Math.round((performance.now() - begun) / 1000)} s)`,
  )
  return broken === 0
}

/** In a namespace of mounts that ends with it, so that no disk stays mounted however this process ends. */
async function runInside(args: readonly string[]): Promise<number> {
  const reason = whyNoPowerDisk()
  if (reason !== undefined) {
    console.error(reason)
    return 2
  }
  const [program, ...options] = inOwnMounts
  const child = spawn(program, [...options, process.execPath, import.meta.filename, inside, ...args], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  process.on('SIGTERM', () => child.kill())
  // Ctrl-C reaches it by itself.
  process.on('SIGINT', () => undefined)
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}

const [what, ...rest] = process.argv.slice(2)
if (what === inside) {
  process.once('disconnect', () => process.exit(1))
  const [cuts = '500', first = '1'] = rest
  process.exitCode = (await run(Number(cuts), Number(first))) ? 0 : 1
  process.disconnect()
} else process.exitCode = await runInside(process.argv.slice(2))
