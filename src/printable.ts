/** Text of others, made fit for a terminal, a plain log and a line of JSON. */

/** Spaces by what they mean: in a line there is no other line. */
const breaks = /[\t\n\v\f\r\u0085\u2028\u2029]+/g
/** Not seen, and so no loss: zero width, marks of direction, fillers, tags. Not what turns the text around (below), nor how an emoji is drawn. */
const unseen =
  // The selectors are meant one by one.
  // oxlint-disable-next-line no-misleading-character-class
  /(?![\u202a-\u202e\u2066-\u2069\ufe00-\ufe0f])[\p{Default_Ignorable_Code_Point}\u2800\ufff9-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}]/gu
/** What is left of C0 and C1, and what turns the text around that follows. */
// oxlint-disable-next-line no-control-regex
const steering = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g

/** The text as one line that shows what it says: nothing in it steers a terminal, hides, or passes for another line. */
export const printable = (text: string): string =>
  text.toWellFormed().replace(breaks, ' ').replace(unseen, '').replace(steering, '\u{fffd}')

/** The same of a text whose lines are our own, such as those of a stack. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n')

/** All that `printable` changes and JSON leaves as it is. */
const unescaped = new RegExp(`[\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]|${unseen.source}`, 'gu')

/** The same JSON, with `\u` escapes where a text in it could steer a terminal or would not be seen. */
export const escaped = (json: string): string =>
  json.replace(unescaped, (character) =>
    // By its UTF-16 code units, as JSON writes them.
    Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join(''),
  )
