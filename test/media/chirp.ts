/** A sound whose place can be told to the sample: a tone that rises for 50 ms, as FFmpeg and we compute it. */
const seconds = 0.05
const wave = (t: number): number => 0.5 * Math.sin(2 * Math.PI * (400 * t + 30_000 * t * t))

/** For aevalsrc: silence, and the chirp at `startSeconds`. */
export function chirpSamples(startSeconds: number): string {
  const t = `(t-${startSeconds})`
  return `if(between(t,${startSeconds},${startSeconds + seconds}),0.5*sin(2*PI*(400*${t}+30000*${t}*${t})),0)`
}

const chirp = Float32Array.from({ length: 48_000 * seconds }, (_, index) => wave(index / 48_000))

/** By how many samples the chirp comes later than `expected`, looked for 1000 around it. */
export function lagOf(samples: Float32Array, expected: number): number {
  let best = -Infinity
  let found = 0
  for (let lag = -1000; lag <= 1000; lag++) {
    let sum = 0
    for (let index = 0; index < chirp.length; index += 3)
      sum += chirp[index]! * (samples[expected + lag + index] ?? 0)
    if (sum > best) {
      best = sum
      found = lag
    }
  }
  return found
}
