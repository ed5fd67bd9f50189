/** A case of a port's suite, for any test runner: `for (const { name, run } of cases) it(name, run)`. */

export interface Case {
  /** A sentence of behaviour. */
  readonly name: string
  /** Rejects if the adapter behaves differently. */
  run(): Promise<void>
}
