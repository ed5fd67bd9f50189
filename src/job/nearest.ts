/** Which name was probably meant, where one is given that does not exist. */

/** Without case, underscores and the like: `clipDuration` and `clip-duration` are written otherwise, and meant alike. */
const letters = (name: string): string => name.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '')

/** How many letters may differ in a name of so many. In short ones every other word is near. */
const mostChanges = (length: number): number => (length > 7 ? 2 : length > 3 ? 1 : 0)

const longestName = 100

/** The name that `given` is a slip of; undefined where it resembles none, or is one. */
export function slipOf(given: string, names: readonly string[]): string | undefined {
  if (names.includes(given) || given.length > longestName) return undefined
  const written = letters(given)
  return names
    .map((name) => ({ name, known: letters(name) }))
    .filter(({ known }) => Math.abs(known.length - written.length) <= mostChanges(known.length))
    .map(({ name, known }) => ({ name, known, changes: changesBetween(written, known) }))
    .filter(
      ({ known, changes }) =>
        changes <= mostChanges(known.length) || (changes === 1 && isTransposed(written, known)),
    )
    .toSorted((one, other) => one.changes - other.changes)[0]?.name
}

const isTransposed = (one: string, other: string): boolean =>
  one.length === other.length &&
  one !== other &&
  one.split('').toSorted().join('') === other.split('').toSorted().join('')

/** How many letters are to be put in, taken out, replaced, or exchanged with the next one. */
export function changesBetween(from: string, to: string): number {
  let before: number[] = []
  let above = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 0; row < from.length; row++) {
    const line = [row + 1]
    for (let column = 1; column <= to.length; column++) {
      const isSame = from[row] === to[column - 1]
      const isExchanged =
        row > 0 && column > 1 && from[row] === to[column - 2] && from[row - 1] === to[column - 1]
      line.push(
        Math.min(
          above[column]! + 1,
          line[column - 1]! + 1,
          above[column - 1]! + (isSame ? 0 : 1),
          isExchanged ? before[column - 2]! + 1 : Infinity,
        ),
      )
    }
    before = above
    above = line
  }
  return above[to.length]!
}
