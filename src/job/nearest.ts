/** Suggests the name that was probably meant by an unknown one. */

/** Removes case and punctuation, so that `clipDuration` and `clip-duration` are equal. */
const letters = (name: string): string => name.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '')

/** Edits allowed for a name of this length; in short names, one edit already reaches many other words. */
const mostChanges = (length: number): number => (length > 7 ? 2 : length > 3 ? 1 : 0)

const longestName = 100

/** The nearest of `names`, if only these are allowed; undefined if none is similar or `given` is one of them. */
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

/** English words one letter away from our names, which callers may well mean. */
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
 * The name that `given` misspells, if other names are allowed as well. A misspelling has other case or punctuation, or one
 * letter missing, added, replaced or transposed. Real words, plurals, and names with more or fewer words are not.
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

/** Whether one contains all words of the other. */
const isPartOf = (some: readonly string[], others: readonly string[]): boolean =>
  some.every((word) => others.includes(word)) || others.every((word) => some.includes(word))

const isTransposed = (one: string, other: string): boolean =>
  one.length === other.length &&
  one !== other &&
  one.split('').toSorted().join('') === other.split('').toSorted().join('')

/** Damerau-Levenshtein distance: insertions, deletions, replacements, and transpositions of neighbours. */
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
