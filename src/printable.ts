/** Makes untrusted text safe for a terminal, a plain log and a line of JSON. */

/** Line breaks and tabs, which become spaces within a line. */
const breaks = /[\t\n\v\f\r\u0085\u2028\u2029]+/g
/** Invisible characters, which are removed: zero width, direction marks, fillers, tags. Not bidirectional controls (below) or emoji variation selectors. */
const unseen =
  // The variation selectors are meant as single characters.
  // oxlint-disable-next-line no-misleading-character-class
  /(?![\u202a-\u202e\u2066-\u2069\ufe00-\ufe0f])[\p{Default_Ignorable_Code_Point}\u2800\ufff9-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}]/gu
/** The remaining C0 and C1 controls, and bidirectional controls. */
// oxlint-disable-next-line no-control-regex
const steering = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g

/** The text as one line without terminal controls, hidden characters or line breaks. */
export const printable = (text: string): string =>
  text.toWellFormed().replace(breaks, ' ').replace(unseen, '').replace(steering, '\u{fffd}')

/** The same for a text with trusted line breaks, such as a stack. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n')

/** Characters that `printable` changes but JSON does not escape. */
const unescaped = new RegExp(`[\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]|${unseen.source}`, 'gu')

/** The same JSON, with `\u` escapes for terminal controls and invisible characters. */
export const escaped = (json: string): string =>
  json.replace(unescaped, (character) =>
    // One escape for each UTF-16 code unit, as JSON requires.
    Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join(''),
  )
