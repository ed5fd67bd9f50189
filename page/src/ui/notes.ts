/** What differs from a request, in the reader's language. The server says it in English, in one of these sentences. */
import type { Words } from '../words/en.ts'

/** Each with its parts in the order in which `words.planNotes` takes them. */
const sentences = [
  ['noTitle', /^the title(?: ".*")? will not appear: (\S+) cannot draw text$/su],
  ['longer', /^([\d.]+) s rounded up to ([\d.]+) s \((\S+).* offers (.+) s\)$/u],
  ['larger', /^the film is (\d+p); (\S+).* renders it at (.+)$/u],
  ['noSound', /^audio is ignored: (\S+) renders no sound$/u],
  ['alwaysSound', /^audio cannot be turned off: (\S+) always renders sound$/u],
  ['noSigns', /^the title(?: ".*")? will appear without (.+): no installed font has (?:it|them)$/su],
  ['shortened', /^the title(?: ".*")? is too long for the frame: it will end with "(.*)"$/su],
] as const

export const noteIn = (note: string, { planNotes }: Words): string => {
  for (const [name, sentence] of sentences) {
    const [, ...parts] = sentence.exec(note) ?? []
    if (parts.length > 0) return planNotes[name](parts)
  }
  return note
}
