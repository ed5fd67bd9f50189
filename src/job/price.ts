/** What renders cost. Money is counted in whole millionths of a US dollar, so that sums are exact. */

export interface PriceBook {
  /** Told with every estimate, so that a number can be traced to the prices it came from. */
  readonly version: string
  /** Price in micros a second of clip, by model. A model that is absent has no known price: never taken for zero. */
  readonly microsPerSecond: Readonly<Record<string, number>>
}

/** Rendering on this machine is free. */
export const localPrices: PriceBook = { version: 'local-1', microsPerSecond: { local: 0 } }

export interface Estimate {
  readonly currency: 'USD'
  readonly priceBook: string
  /** Null where any scene's price is unknown. */
  readonly totalMicros: number | null
}

/** A clip's price in micros; undefined where the book doesn't know the model. */
export function clipPrice(book: PriceBook, scene: { model: string; duration: number }): number | undefined {
  const perSecond = book.microsPerSecond[scene.model]
  return perSecond === undefined ? undefined : Math.ceil(perSecond * scene.duration)
}

export function estimate(book: PriceBook, scenes: readonly { model: string; duration: number }[]): Estimate {
  let totalMicros: number | null = 0
  for (const scene of scenes) {
    const price = clipPrice(book, scene)
    totalMicros = price === undefined || totalMicros === null ? null : totalMicros + price
  }
  return { currency: 'USD', priceBook: book.version, totalMicros }
}
