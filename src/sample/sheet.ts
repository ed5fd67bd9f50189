/** SVG for the sample photographs: a sheet to draw on, and soft light painted as gradients. */

export type Point = readonly [x: number, y: number]

/** A picture while it is drawn, and the definitions its fills refer to. */
export class Sheet {
  #definitions = ''
  #body = ''
  #count = 0
  readonly #width: number
  readonly #height: number

  constructor(width = 1200, height = 800) {
    this.#width = width
    this.#height = height
  }

  add(...parts: string[]): this {
    this.#body += parts.join('')
    return this
  }

  /** A fill that runs from `from` to `to`, top to bottom unless turned (degrees). */
  shade(stops: readonly string[], turn = 90): string {
    const id = this.#id()
    const offsets = stops.map((stop, index) => {
      const [color = '#000', opacity = '1'] = stop.split('@')
      return `<stop offset="${index / (stops.length - 1)}" stop-color="${color}" stop-opacity="${opacity}"/>`
    })
    this.#definitions += `<linearGradient id="${id}" x1="0" y1="0" x2="1" y2="0" gradientTransform="rotate(${turn} .5 .5)">${offsets.join('')}</linearGradient>`
    return `url(#${id})`
  }

  /** Light, or shadow, that fades out from a middle. */
  glow([x, y]: Point, radiusX: number, radiusY: number, color: string, opacity: number): string {
    const id = this.#id()
    this.#definitions += `<radialGradient id="${id}"><stop offset="0" stop-color="${color}" stop-opacity="${opacity}"/><stop offset="0.45" stop-color="${color}" stop-opacity="${opacity * 0.38}"/><stop offset="1" stop-color="${color}" stop-opacity="0"/></radialGradient>`
    return `<ellipse cx="${x}" cy="${y}" rx="${radiusX}" ry="${radiusY}" fill="url(#${id})"/>`
  }

  /** An outline that nothing drawn with it may leave. */
  clip(points: readonly Point[]): string {
    const id = this.#id()
    this.#definitions += `<clipPath id="${id}">${shape(points, '#000')}</clipPath>`
    return `url(#${id})`
  }

  #id(): string {
    return `d${this.#count++}`
  }

  toString(): string {
    return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${this.#width} ${this.#height}" width="${this.#width}" height="${this.#height}"><defs>${this.#definitions}</defs>${this.#body}</svg>`
  }
}

/** The same numbers each time: a sample must not change from one run to the next. */
export function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

export function rect(x: number, y: number, width: number, height: number, fill: string, more = ''): string {
  return `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${fill}" ${more}/>`
}

export function shape(points: readonly Point[], fill: string, more = ''): string {
  return `<polygon points="${points.map((point) => point.join(',')).join(' ')}" fill="${fill}" ${more}/>`
}

export function disc(x: number, y: number, radius: number, fill: string, more = ''): string {
  return `<circle cx="${x}" cy="${y}" r="${radius}" fill="${fill}" ${more}/>`
}

export function stroke(d: string, color: string, width: number, more = ''): string {
  return `<path d="${d}" fill="none" stroke="${color}" stroke-width="${width}" ${more}/>`
}

export function many(count: number, draw: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => draw(index)).join('')
}

/** Leaves: dabs of several greens, darker below. */
export function foliage(
  seed: number,
  [x, y]: Point,
  radiusX: number,
  radiusY: number,
  colors: readonly string[],
  count: number,
): string {
  const roll = dice(seed)
  const inside = (): Point => {
    const angle = roll() * Math.PI * 2
    const far = Math.sqrt(roll())
    return [Math.cos(angle) * far, Math.sin(angle) * far]
  }
  const clumps = Array.from({ length: 16 }, () => {
    const [dx, dy] = inside()
    return { x: x + dx * radiusX * 0.72, y: y + dy * radiusY * 0.72, size: 0.3 + roll() * 0.14 }
  })
  const dark = colors.at(-1) ?? '#000'
  const shadows = clumps.map(
    (clump) =>
      `<ellipse cx="${clump.x.toFixed(1)}" cy="${clump.y.toFixed(1)}" rx="${(clump.size * radiusX).toFixed(1)}" ry="${(clump.size * radiusY).toFixed(1)}" fill="${dark}"/>`,
  )
  const dabs = many(count * 2, (index) => {
    const clump = clumps[index % clumps.length]
    if (clump === undefined) return ''
    const [dx, dy] = inside()
    const dabX = clump.x + dx * clump.size * radiusX * 1.12
    const dabY = clump.y + dy * clump.size * radiusY * 1.12
    // Lit from above, each clump and the whole.
    const shade = 0.5 + dy * 0.32 + ((dabY - y) / radiusY) * 0.22 + (roll() - 0.5) * 0.3
    const color = colors[Math.max(0, Math.min(colors.length - 1, Math.floor(shade * colors.length)))] ?? dark
    const size = Math.min(8, (0.012 + roll() * 0.022) * (radiusX + radiusY))
    return `<ellipse cx="${dabX.toFixed(1)}" cy="${dabY.toFixed(1)}" rx="${size.toFixed(1)}" ry="${(size * 0.62).toFixed(1)}" fill="${color}" fill-opacity="${(0.6 + roll() * 0.4).toFixed(2)}" transform="rotate(${Math.floor(roll() * 180)} ${dabX.toFixed(1)} ${dabY.toFixed(1)})"/>`
  })
  return shadows.join('') + dabs
}
