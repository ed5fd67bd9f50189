/**
 * Rounds against the second provider: `npx node test/rounds/run.ts 100 1 4` (rounds, first seed, at once). Says each round
 * that broke a promise.
 */
import { makeClip } from './clip.ts'
import { playRound, type RoundReport } from './round.ts'

const [rounds = 100, first = 1, atOnce = 4] = process.argv.slice(2).map(Number)
const clip = await makeClip()
const reports: RoundReport[] = []
let next = first
const play = async (): Promise<void> => {
  while (next < first + rounds) {
    const report = await playRound(next++, clip)
    reports.push(report)
    for (const what of report.broken) console.log(`round ${report.seed}: ${what}`)
  }
}
const begun = performance.now()
await Promise.all(Array.from({ length: atOnce }, play))
const sum = (of: (report: RoundReport) => number): number =>
  reports.reduce((total, report) => total + of(report), 0)
const broken = reports.filter((report) => report.broken.length > 0).length
console.log(
  `${reports.length} rounds, ${sum(({ kills }) => kills)} kills, ${sum(({ faults }) => faults)} faults, ${sum(({ made }) => made)} predictions made, ` +
    `${sum(({ billed }) => billed)} billed, ${broken} rounds with broken promises, ${Math.round((performance.now() - begun) / 1000)} s`,
)
process.exitCode = broken === 0 ? 0 : 1
