/** Verbs with their context bound, as callers see them. */
export type Bound<Verbs> = {
  readonly [Name in keyof Verbs]: Verbs[Name] extends (context: never, ...args: infer Args) => infer Result
    ? (...args: Args) => Result
    : never
}

export function bind<
  Context,
  Verbs extends Readonly<Record<string, (context: Context, ...args: never[]) => unknown>>,
>(context: Context, verbs: Verbs): Bound<Verbs> {
  const bound = Object.entries(verbs).map(([name, verb]) => [
    name,
    (...args: never[]): unknown => verb(context, ...args),
  ])
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each entry is its verb without the context
  return Object.fromEntries(bound) as Bound<Verbs>
}
