/** Which name was probably meant, where one is given that does not exist. */

/** Without case, underscores and the like: `clipDuration` and `clip-duration` are written otherwise, and meant alike. */
const letters = (name: string): string => name.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '')

/** How many letters may differ in a name of so many. In short ones every other word is near. */
const mostChanges = (length: number): number => (length > 7 ? 2 : length > 3 ? 1 : 0)

const longestName = 100

/** The name that `given` comes nearest to, where only `names` are allowed; undefined where it resembles none, or is one. */
export function nearestOf(given: string, names: readonly string[]): string | undefined {
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

/** Words that lie one letter from names of ours. */
const ownWords: ReadonlySet<string> = new Set(
  `airs audit cursory fairs hairs imaged lairs modal mode modem motel pails pains pars paris pears photon photons
   revolution stats statue statues tape tile tiled titled tithe tyre typed typo`.split(/\s+/),
)

const wordsOf = (name: string): readonly string[] =>
  name
    .replaceAll(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '')

/**
 * The name that `given` is a slip of, where other names are allowed too: another spelling of its words, or one letter
 * missing, added, replaced or exchanged. A word of its own, a plural, and a name with more or fewer words is none.
 */
export function slipOf(given: string, names: readonly string[]): string | undefined {
  if (names.includes(given) || given.length > longestName) return undefined
  const written = letters(given)
  return names.find((name) => letters(name) === written) ?? names.find((name) => isMistyped(given, name))
}

function isMistyped(given: string, name: string): boolean {
  const [written, known] = [letters(given), letters(name)]
  if (/\d/.test(given) || ownWords.has(written)) return false
  if (isPluralOf(written, known) || isPluralOf(known, written)) return false
  const [words, knownWords] = [wordsOf(given), wordsOf(name)]
  if (words.length !== knownWords.length) return !isPartOf(words, knownWords) && isOneSlip(written, known)
  const changed = knownWords.map((word, index) => [words[index]!, word] as const).filter(([a, b]) => a !== b)
  return changed.length === 1 && isOneSlip(...changed[0]!)
}

const isOneSlip = (written: string, known: string): boolean =>
  Math.abs(written.length - known.length) <= 1 &&
  changesBetween(written, known) === 1 &&
  (known.length > 3 || isTransposed(written, known))

const isPluralOf = (many: string, one: string): boolean => many === `${one}s` && /[^su]$/.test(one)

/** Whether one has all words of the other. */
const isPartOf = (some: readonly string[], others: readonly string[]): boolean =>
  some.every((word) => others.includes(word)) || others.every((word) => some.includes(word))

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
