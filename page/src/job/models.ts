/** Which models can render a scene, and what they cost. */
import type { ModelsAnswer } from '../../../src/client/client.ts'

type Model = ModelsAnswer['models'][number]

export interface SceneWish {
  readonly images: number
  readonly seconds: number
  /** Pixels of the film's shorter side. */
  readonly shortSide: number
}

/** Such as 768 of `768p`; undefined where the name does not say it. */
const linesOf = (resolution: string): number | undefined => {
  const lines = /^(\d{3,4})p/i.exec(resolution)?.[1]
  return lines === undefined ? undefined : Number(lines)
}

const fittingOffers = ({ offers }: Model, { images, seconds, shortSide }: SceneWish): Model['offers'] =>
  offers.filter(
    (offer) =>
      (images === 1 || offer.last_image) &&
      Math.max(...offer.seconds) >= seconds &&
      (linesOf(offer.resolution) ?? Infinity) >= shortSide,
  )

export interface FittingModel {
  readonly name: string
  /** Of one second, US dollars, the cheapest offer; 0: free; null: unknown. */
  readonly perSecond: number | null
}

/** A model without offers is one of this machine, free and of any length. */
export const fittingModels = ({ models }: ModelsAnswer, wish: SceneWish): readonly FittingModel[] =>
  models.flatMap((model) => {
    if (model.offers.length === 0) return [{ name: model.name, perSecond: 0 }]
    const offers = fittingOffers(model, wish)
    if (offers.length === 0) return []
    const prices = offers.flatMap(({ usd_per_second, usd_per_clip, seconds }) => {
      const rung = seconds.find((length) => length >= wish.seconds) ?? Math.max(...seconds)
      return usd_per_second ?? (usd_per_clip === null ? [] : [usd_per_clip / rung])
    })
    return [{ name: model.name, perSecond: prices.length === 0 ? null : Math.min(...prices) }]
  })
