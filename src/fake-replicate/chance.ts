/** All randomness of the fake, from one source, so that a run can be repeated. */

/** A number, or a minimum and maximum to draw between. */
export type Span = number | readonly [number, number]

export function drawSpan(span: Span, random: () => number): number {
  if (typeof span === 'number') return span
  const [least, most] = span
  return least + random() * (most - least)
}

/** An id like Replicate's: 26 lower-case letters and digits. */
export function drawId(random: () => number): string {
  let id = ''
  while (id.length < 26)
    id += Math.floor(random() * 36 ** 9)
      .toString(36)
      .padStart(9, '0')
  return id.slice(0, 26)
}

/** The same numbers in [0, 1) for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
