/** The models that scenes may name. */
import type { Offer } from '../../job/catalogue.ts'
import type { Context } from '../context.ts'

export interface OfferedModel {
  readonly name: string
  readonly renderer: string
  /** The shapes that it renders; undefined: every shape. */
  readonly shapes: readonly string[] | undefined
  /** Empty for renderers of this machine: free, and of any length. */
  readonly offers: readonly Offer[]
}

export interface OfferedModels {
  readonly priceBook: string
  readonly models: readonly OfferedModel[]
  /** Models with known prices that this server cannot render by, and what is missing. */
  readonly wanting: ReadonlyMap<string, string>
}

export function getModels({ catalogue, rendererOf }: Context): OfferedModels {
  const models = [...rendererOf].map(([name, renderer]) => ({
    name,
    renderer,
    shapes: catalogue.models.get(name)?.aspect_ratios,
    offers: catalogue.models.get(name)?.offers ?? [],
  }))
  return { priceBook: catalogue.version, models, wanting: catalogue.wanting ?? new Map() }
}
