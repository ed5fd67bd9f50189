/**
 * Converts to sRGB pictures whose colours are given by numbers (CICP, ITU-T H.273) instead of a profile: libvips does not
 * read these. Light brighter than white is mapped into range.
 */

/** How the numbers of a pixel translate to light. */
export interface Colour {
  /** CIE x and y of red, green, blue and white. */
  readonly primaries: Primaries
  readonly transfer: Transfer
}

export type Primaries = readonly [
  rx: number,
  ry: number,
  gx: number,
  gy: number,
  bx: number,
  by: number,
  wx: number,
  wy: number,
]

type Transfer =
  | { readonly kind: 'srgb' | 'pq' | 'hlg' | 'st428' | 'log100' | 'log316' }
  /** Light is a picture's number raised to `gamma`. */
  | { readonly kind: 'gamma'; readonly gamma: number }

const d65 = [0.3127, 0.329] as const
const bt709: Primaries = [0.64, 0.33, 0.3, 0.6, 0.15, 0.06, ...d65]

const primariesByNumber: Readonly<Record<number, Primaries>> = {
  1: bt709,
  4: [0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.31, 0.316],
  5: [0.64, 0.33, 0.29, 0.6, 0.15, 0.06, ...d65],
  6: [0.63, 0.34, 0.31, 0.595, 0.155, 0.07, ...d65],
  7: [0.63, 0.34, 0.31, 0.595, 0.155, 0.07, ...d65],
  8: [0.681, 0.319, 0.243, 0.692, 0.145, 0.049, 0.31, 0.316],
  9: [0.708, 0.292, 0.17, 0.797, 0.131, 0.046, ...d65],
  10: [1, 0, 0, 1, 0, 0, 1 / 3, 1 / 3],
  11: [0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.314, 0.351],
  12: [0.68, 0.32, 0.265, 0.69, 0.15, 0.06, ...d65],
  22: [0.63, 0.34, 0.295, 0.605, 0.155, 0.077, ...d65],
}

const transferByNumber: Readonly<Record<number, Transfer>> = {
  4: { kind: 'gamma', gamma: 2.2 },
  5: { kind: 'gamma', gamma: 2.8 },
  8: { kind: 'gamma', gamma: 1 },
  9: { kind: 'log100' },
  10: { kind: 'log316' },
  16: { kind: 'pq' },
  17: { kind: 'st428' },
  18: { kind: 'hlg' },
}

export const srgb: Colour = { primaries: bt709, transfer: { kind: 'srgb' } }

/**
 * The colour that these numbers mean; sRGB if they are unknown. The curves of BT.709 and its relatives count as sRGB's, as
 * is usual on screens.
 */
export function colourOf(primaries: number, transfer: number): Colour {
  return plain(primariesByNumber[primaries] ?? bt709, transferByNumber[transfer] ?? srgb.transfer)
}

const plain = (primaries: Primaries, transfer: Transfer): Colour =>
  primaries === bt709 && transfer.kind === 'srgb' ? srgb : { primaries, transfer }

/** The colour of a PNG from its chromaticities and its gamma. */
export function colourByGamma(primaries: Primaries | null, gamma: number | null): Colour {
  // Some programs write a rounded gamma.
  const isPlain = gamma === null || Math.abs(gamma - 2.2) < 0.03
  const isNear = !primaries || primaries.every((value, index) => Math.abs(value - bt709[index]!) < 0.003)
  const transfer: Transfer = isPlain ? srgb.transfer : { kind: 'gamma', gamma }
  const isPossible = !primaries || (primaries.every((value) => value < 2) && primaries[7] > 0)
  return plain(isPossible && !isNear ? primaries : bt709, transfer)
}

/** Luminance of a white page in PQ and HLG (ITU-R BT.2408), in cd/m2. */
const whiteNits = 203

/** The light of a picture's number from 0 to 1; light of 1 is white. */
function lightOf(transfer: Transfer, value: number): number {
  switch (transfer.kind) {
    case 'gamma':
      return value ** transfer.gamma
    case 'pq': {
      const root = value ** (32 / 2523)
      const light = Math.max(root - 3424 / 4096, 0) / (2413 / 128 - (2392 / 128) * root)
      return (light ** (16384 / 2610) * 10_000) / whiteNits
    }
    case 'hlg':
      // Scene light; `hlgGamma` turns it into display light.
      return value <= 0.5 ? value ** 2 / 3 : (Math.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12
    case 'st428':
      return (value ** 2.6 * 52.37) / 48
    case 'log100':
      return value <= 0 ? 0 : 10 ** (2 * (value - 1))
    case 'log316':
      return value <= 0 ? 0 : 10 ** (2.5 * (value - 1))
    default:
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  }
}

/** Peak luminance of HLG's nominal display, in cd/m2. */
const hlgNits = 1000
const hlgGamma = 1.2
/** Luma coefficients of BT.2020. */
const hlgLuma = [0.2627, 0.678, 0.0593] as const

type Matrix = readonly [number, number, number, number, number, number, number, number, number]

/** Converts light of these primaries to light of BT.709's; white stays white (Bradford). */
function matrixTo709(primaries: Primaries): Matrix {
  return multiply(invert(toXyz(bt709)), multiply(adapt(primaries), toXyz(primaries)))
}

function toXyz([rx, ry, gx, gy, bx, by, wx, wy]: Primaries): Matrix {
  const columns: Matrix = [rx, gx, bx, ry, gy, by, 1 - rx - ry, 1 - gx - gy, 1 - bx - by]
  const [red, green, blue] = apply(invert(columns), [wx / wy, 1, (1 - wx - wy) / wy])
  return multiply(columns, [red, 0, 0, 0, green, 0, 0, 0, blue])
}

const bradford: Matrix = [0.8951, 0.2664, -0.1614, -0.7502, 1.7135, 0.0367, 0.0389, -0.0685, 1.0296]

function adapt([, , , , , , wx, wy]: Primaries): Matrix {
  const cones = (x: number, y: number) => apply(bradford, [x / y, 1, (1 - x - y) / y])
  const from = cones(wx, wy)
  const to = cones(...d65)
  const scale: Matrix = [to[0] / from[0], 0, 0, 0, to[1] / from[1], 0, 0, 0, to[2] / from[2]]
  return multiply(invert(bradford), multiply(scale, bradford))
}

type Triple = readonly [number, number, number]

const apply = ([a, b, c, d, e, f, g, h, i]: Matrix, [x, y, z]: Triple): Triple => [
  a * x + b * y + c * z,
  d * x + e * y + f * z,
  g * x + h * y + i * z,
]

function multiply(one: Matrix, other: Matrix): Matrix {
  const [a, b, c, d, e, f, g, h, i] = other
  const columns = [apply(one, [a, d, g]), apply(one, [b, e, h]), apply(one, [c, f, i])] as const
  const [x, y, z] = columns
  return [x[0], y[0], z[0], x[1], y[1], z[1], x[2], y[2], z[2]]
}

function invert([a, b, c, d, e, f, g, h, i]: Matrix): Matrix {
  const one = e * i - f * h
  const two = f * g - d * i
  const three = d * h - e * g
  const whole = a * one + b * two + c * three
  return [
    one / whole,
    (c * h - b * i) / whole,
    (b * f - c * e) / whole,
    two / whole,
    (a * i - c * g) / whole,
    (c * d - a * f) / whole,
    three / whole,
    (b * g - a * h) / whole,
    (a * e - b * d) / whole,
  ]
}

export interface Pixels {
  /** Samples of 8 or of 16 bits. */
  readonly data: Uint8Array | Uint16Array
  /** Three, or four with alpha last. */
  readonly channels: number
}

/** Light up to this is unchanged; brighter light is compressed into the range that is left up to white. */
const knee = 0.8

/** About how many pixels are sampled to find a picture's peak brightness. */
const peakSamples = 500_000

/** The same pixels in sRGB, 8 bits a sample. */
export function toSrgb({ data, channels }: Pixels, { primaries, transfer }: Colour): Uint8Array {
  const deepest = data.BYTES_PER_ELEMENT === 1 ? 255 : 65_535
  const light = Float32Array.from({ length: deepest + 1 }, (_, value) => lightOf(transfer, value / deepest))
  const [m0, m1, m2, m3, m4, m5, m6, m7, m8] = matrixTo709(primaries)
  const isHlg = transfer.kind === 'hlg'
  const isHdr = isHlg || transfer.kind === 'pq'
  const [lumaR, lumaG, lumaB] = hlgLuma

  let red = 0
  let green = 0
  let blue = 0
  const read = (at: number): void => {
    let r = light[data[at]!]!
    let g = light[data[at + 1]!]!
    let b = light[data[at + 2]!]!
    if (isHlg) {
      const gain = ((lumaR * r + lumaG * g + lumaB * b) ** (hlgGamma - 1) * hlgNits) / whiteNits
      r *= gain
      g *= gain
      b *= gain
    }
    red = m0 * r + m1 * g + m2 * b
    green = m3 * r + m4 * g + m5 * b
    blue = m6 * r + m7 * g + m8 * b
  }

  const peak = isHdr
    ? peakOf(data.length / channels, channels, (at) => (read(at), Math.max(red, green, blue)))
    : 1
  const range = (peak - knee) / (1 - knee)
  const table = srgbTable()
  const made = new Uint8Array(data.length)
  for (let at = 0; at < data.length; at += channels) {
    read(at)
    const most = Math.max(red, green, blue)
    if (isHdr && most > knee) {
      const over = Math.min((most - knee) / (1 - knee), range)
      const mapped = knee + ((1 - knee) * over * (1 + over / range ** 2)) / (1 + over)
      red *= mapped / most
      green *= mapped / most
      blue *= mapped / most
    }
    made[at] = table[toIndex(red)]!
    made[at + 1] = table[toIndex(green)]!
    made[at + 2] = table[toIndex(blue)]!
    if (channels === 4) made[at + 3] = deepest === 255 ? data[at + 3]! : data[at + 3]! >> 8
  }
  return made
}

/** Peak brightness without the brightest thousandth, so that sparkles do not darken the rest. At least 1 (white). */
function peakOf(pixels: number, channels: number, brightness: (at: number) => number): number {
  const step = Math.max(1, Math.floor(pixels / peakSamples))
  const found = new Float32Array(Math.ceil(pixels / step))
  for (let index = 0; index < found.length; index++) found[index] = brightness(index * step * channels)
  return Math.max(1, found.toSorted()[Math.floor(found.length * 0.999)] ?? 1)
}

const srgbSteps = 65_535

const toIndex = (light: number): number =>
  light <= 0 ? 0 : light >= 1 ? srgbSteps : Math.round(light * srgbSteps)

const srgbTable = (): Uint8Array =>
  Uint8Array.from({ length: srgbSteps + 1 }, (_, index) => {
    const light = index / srgbSteps
    return Math.round(255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055))
  })
