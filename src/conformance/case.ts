/** What a port's suite is made of: named cases for whatever runs tests, such as `for (const { name, run } of cases) it(name, run)`. */

export interface Case {
  /** A sentence of behaviour. */
  readonly name: string
  /** Rejects where the behaviour is another. */
  run(): Promise<void>
}
