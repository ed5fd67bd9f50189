/** What scenes can be rendered by, and what that costs. */
import { z } from '@hono/zod-openapi'
import { ownJobs } from '../access/access.ts'
import { endpoint, json, resource } from './endpoint.ts'

const usd = z.number().nullable()

const modelsSchema = z
  .object({
    price_book: z.string().describe('The version of the prices'),
    currency: z.literal('USD'),
    models: z.array(
      z.object({
        name: z.string(),
        renderer: z.string(),
        aspect_ratios: z
          .array(z.string())
          .nullable()
          .describe('The shapes that it renders, such as 16:9; null: every shape'),
        offers: z
          .array(
            z.object({
              resolution: z.string(),
              seconds: z.array(z.int()).describe('The lengths of clips that it renders and bills'),
              last_image: z.boolean().describe('Whether it takes a last image besides the first'),
              audio: z.boolean(),
              usd_per_second: usd,
              usd_per_clip: usd.describe('Both null: the price is unknown'),
            }),
          )
          .describe('Empty: free and of any length, on this machine'),
      }),
    ),
    unavailable: z
      .array(z.object({ name: z.string(), needs: z.string().describe('What is missing, such as a token') }))
      .describe('Models with known prices that this server cannot render by'),
  })
  .openapi('Models')

export type ModelsAnswer = z.infer<typeof modelsSchema>

export const modelEndpoints = resource('money', [
  endpoint({
    id: 'listModels',
    route: 'GET /api/v3/models',
    access: ownJobs('read', 'submit', 'approve'),
    summary: 'The models that scenes may name, with their prices',
    description: 'The models whose renderer this server has, with what they offer and cost.',
    answer: json(200, modelsSchema, 'The models'),
    handle: (_, { coordinator }) => {
      const { priceBook, models, wanting } = coordinator.models()
      return {
        price_book: priceBook,
        currency: 'USD' as const,
        models: models.map(({ name, renderer, shapes, offers }) => ({
          name,
          renderer,
          aspect_ratios: shapes ? [...shapes] : null,
          offers: offers.map((offer) => ({
            resolution: offer.resolution,
            seconds: [...offer.seconds],
            last_image: offer.last_image,
            audio: offer.audio,
            usd_per_second: offer.usd_per_second ?? null,
            usd_per_clip: offer.usd_per_clip ?? null,
          })),
        })),
        unavailable: [...wanting].map(([name, needs]) => ({ name, needs })),
      }
    },
  }),
])
