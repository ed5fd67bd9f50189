/** Changes of settings that hold for all jobs: limits, budgets and pauses. */

export const changeKinds = ['limit', 'budget', 'pause'] as const
export type ChangeKind = (typeof changeKinds)[number]

/** A limit or a budget in US dollars; null where there is none, or the configured one. For a pause, whether it is in force. */
export type SettingValue = number | boolean | null

export interface SettingChange {
  /** Rises with each change. */
  readonly id: number
  readonly kind: ChangeKind
  /** `jobs`, `replicate.max_concurrency`; `day`, `client:acme`; `all`, `renderer:replicate`. */
  readonly name: string
  readonly old: SettingValue
  readonly new: SettingValue
  /** Name of the actor, such as a key's name; null where nobody is named. */
  readonly by: string | null
  readonly reason: string | null
  /** ms since the epoch. */
  readonly at: number
}
