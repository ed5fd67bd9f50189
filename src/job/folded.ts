/**
 * A text as it is compared where case doesn't count, the same here for what is kept and for what is looked for: by no
 * database, as each folds otherwise. Letters are folded one way (ß and SS, σ and ς, K and the Kelvin sign, the four i of
 * Turkish), and composed alike however they were typed; accents count. To change it takes a migration.
 */
export const folded = (text: string): string =>
  text
    .normalize('NFD')
    // ẞ is ß only when it is small, and ß is ss only when it was large.
    .toLowerCase()
    .toUpperCase()
    .toLowerCase()
    .replaceAll('ς', 'σ')
    .normalize('NFD')
    // What is left of İ, which is no other letter to who looks for it.
    .replaceAll(/i\u0307+/g, 'i')
    .normalize('NFC')
