/**
 * Case-folds a text for comparison, both when it is stored and when it is searched for. Done here because each database
 * folds differently. Equal are ß and SS, σ and ς, K and the Kelvin sign, the four i of Turkish, and composed and
 * decomposed characters; accents count. Changing the result needs a migration.
 */
export const folded = (text: string): string =>
  text
    .normalize('NFD')
    // Lowercasing turns ẞ into ß; uppercasing then turns ß into SS.
    .toLowerCase()
    .toUpperCase()
    .toLowerCase()
    .replaceAll('ς', 'σ')
    .normalize('NFD')
    // Lowercasing İ leaves a combining dot; a search must not need it.
    .replaceAll(/i\u0307+/g, 'i')
    .normalize('NFC')
