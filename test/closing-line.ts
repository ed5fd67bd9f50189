/** Ends a test run by saying, in any log, how many tests there were, and where some were skipped. */
import type { Reporter, TestModule, TestRunEndReason, Vitest } from 'vitest/node'

/** What `suite.ts` hears when the last test has ended. */
export interface SuiteEnd {
  readonly isPassed: boolean
}

// Vitest takes a reporter from a file by its default export.
// oxlint-disable-next-line import/no-default-export
export default class ClosingLine implements Reporter {
  /** Whether only tests of some names were asked for: that the others were left out need not be said. */
  #isFiltered = false

  onInit({ config }: Vitest): void {
    this.#isFiltered = config.testNamePattern !== undefined
  }

  onTestRunEnd(modules: readonly TestModule[], _errors: unknown, reason: TestRunEndReason): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()])
    const count = (state: string): number => tests.filter((test) => test.result().state === state).length
    const broken = modules.filter(
      (module) => module.state() === 'failed' && module.children.size === 0,
    ).length
    const skipped = count('skipped')
    for (const module of modules) {
      const names = [...module.children.allTests('skipped')]
      if (names.length > 0 && !this.#isFiltered)
        console.log(`skipped: ${names.length} of ${module.relativeModuleId}`)
    }
    console.log(
      `\n${count('passed')} passed, ${count('failed') + broken} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
    )
    const end: SuiteEnd = { isPassed: reason === 'passed' }
    process.send?.(end)
  }
}
