/**
 * Plays one story of several nodes: `npx node test/nodes/run.ts 200 8 1800 1` (jobs, scenes of each, seconds of faults at most, seed).
 * Options: --cap 6, --every-ms 4000, --restart-every-ms 60000, --longest-ms 40000, --keep FOLDER for logs where a promise broke.
 */
import { mkdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { makeClip } from '../rounds/clip.ts'
import { play } from './story.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cap: { type: 'string', default: '6' },
    'every-ms': { type: 'string', default: '4000' },
    'restart-every-ms': { type: 'string', default: '60000' },
    'longest-ms': { type: 'string', default: '40000' },
    keep: { type: 'string' },
  },
})
const [jobs = 200, scenes = 8, seconds = 1800, seed = 1] = positionals.map(Number)
if (values.keep !== undefined) mkdirSync(values.keep, { recursive: true })
// The keeper ends what still runs.
setTimeout(
  () => {
    console.log(`BROKEN: seed ${seed} does not end`)
    process.exit(1)
  },
  (2 * seconds + 900) * 1000,
).unref()
const { broken, faults, figures, lines } = await play({
  jobs,
  scenes,
  seconds,
  seed,
  clip: await makeClip(),
  cap: Number(values.cap),
  everyMs: Number(values['every-ms']),
  restartEveryMs: Number(values['restart-every-ms']),
  longestMs: Number(values['longest-ms']),
  say: (line) => console.log(line),
  ...(values.keep !== undefined && { keepIn: values.keep }),
})
if (broken.length > 0) for (const line of lines) console.log(line)
console.log(`faults: ${[...faults].map(([what, count]) => `${what} ${count}`).join(', ')}`)
for (const [name, value] of Object.entries(figures)) console.log(`${name}: ${value}`)
for (const what of broken) console.log(`BROKEN: ${what}`)
console.log(
  broken.length === 0
    ? `seed ${seed}: no promise was broken`
    : `seed ${seed}: ${broken.length} promises were broken`,
)
process.exitCode = broken.length === 0 ? 0 : 1
