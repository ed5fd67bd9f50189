/** How routes say what they take and answer, for the description of the API. */
import { z } from '@hono/zod-openapi'
import type { Coordinator } from '../../coordinator/coordinator.ts'
import type { BodyLimits } from '../edge/body.ts'

/** What routes take that call the coordinator's verbs. */
export interface VerbRoutes {
  readonly coordinator: Coordinator
  readonly limits: BodyLimits
}

/** Of a schema with a name: by `nullable()` the description would say that it may be null everywhere. */
export const orNull = <Schema extends z.ZodType>(schema: Schema) => z.union([schema, z.null()])

export const jsonAnswer = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  content: { 'application/json': { schema } },
  description,
})

/** A body that is named, not given: the coordinator checks it, for HTTP and for programs alike. */
export const jsonBody = (schema: string, required = true) => ({
  required,
  content: { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } },
})
