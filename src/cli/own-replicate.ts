/** A fake Replicate for one command: renders cost play money. */
import { join } from 'node:path'
import type { Entry } from '../fake-replicate/ledger.ts'
import type { FakeOptions } from '../fake-replicate/provider.ts'
import { dollars } from '../job/price.ts'
import { type OwnProcess, startOwnProcess } from './own-process.ts'

export interface OwnReplicate extends OwnProcess {
  /** Environment variables that make a server render at the fake. */
  readonly serverEnv: Readonly<Record<string, string>>
  /** What the fake has billed so far, by its own ledger. */
  bill(): Promise<Bill>
}

export interface Bill {
  readonly renders: number
  readonly usd: number
}

/** Slow enough to show moving progress bars. */
const options = { token: 'r8_play_money', startMs: 300, renderMs: [3000, 6000] } satisfies FakeOptions

/** Starts the fake. `dataDir`: the folder for its ledger and its output. */
export async function startOwnReplicate(
  dataDir: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<OwnReplicate> {
  const own = await startOwnProcess({
    name: 'The fake Replicate',
    module: 'fake-replicate/main',
    logPath: join(dataDir, 'replicate.log'),
    env: {
      ...env,
      PORT: '0',
      FAKE_OPTIONS: JSON.stringify(options),
      FAKE_LEDGER: join(dataDir, 'replicate-ledger.jsonl'),
    },
  })
  return {
    ...own,
    serverEnv: {
      REPLICATE_API_TOKEN: options.token,
      REPLICATE_BASE_URL: own.url,
      REPLICATE_MAX_CONCURRENCY: '4',
      REPLICATE_START_DELAY_MS: '1000',
      // These limits are for real money.
      BUDGET_JOB_USD: '',
      BUDGET_CLIENT_USD: '',
      BUDGET_DAY_USD: '',
      BUDGET_TOTAL_USD: '',
    },
    async bill() {
      const response = await fetch(new URL('/_fake/ledger', own.url))
      const entries: Entry[] = JSON.parse(await response.text())
      const billed = entries.flatMap((entry) =>
        entry.what === 'ended' && entry.billed_micros > 0 ? [entry.billed_micros] : [],
      )
      return { renders: billed.length, usd: dollars(billed.reduce((sum, micros) => sum + micros, 0)) }
    },
  }
}
