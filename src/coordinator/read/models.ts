/** The models that scenes may name. */
import type { Offer } from '../../job/catalogue.ts'
import type { Context } from '../context.ts'

export interface OfferedModel {
  readonly name: string
  readonly renderer: string
  /** Empty for renderers of this machine: free, and of any length. */
  readonly offers: readonly Offer[]
}

export interface OfferedModels {
  readonly priceBook: string
  readonly models: readonly OfferedModel[]
}

export function getModels({ catalogue, rendererOf }: Context): OfferedModels {
  const models = [...rendererOf].map(([name, renderer]) => ({
    name,
    renderer,
    offers: catalogue.models.get(name)?.offers ?? [],
  }))
  return { priceBook: catalogue.version, models }
}
