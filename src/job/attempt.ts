/** An attempt: one try to render a scene at a renderer, and so the unit of money. */
import type { AttemptStatus } from './lifecycle.ts'

export interface Attempt {
  /** UUID. */
  readonly id: string
  readonly jobId: number
  readonly sceneId: string
  readonly renderer: string
  readonly model: string
  readonly status: AttemptStatus
  /** Millionths of a US dollar that this attempt may cost at most. */
  readonly costMicros: number
  readonly insertedAt: number
  readonly updatedAt: number
}
