/** What the list of jobs can be filtered by: what they wait for. */
export const waitNames = [
  'approval',
  'rejected',
  'held',
  'budget',
  'paused',
  'provider',
  'dependency',
  'scheduled',
] as const

/** What a person calls by one name may have several codes. */
export const waits: Readonly<Record<(typeof waitNames)[number], string>> = {
  approval: 'approval',
  rejected: 'rejected',
  held: 'held',
  budget: 'budget_job,budget_client,budget_day,budget_total',
  paused: 'job_paused,paused,renderer_paused',
  provider: 'provider_pause',
  dependency: 'dependency',
  scheduled: 'scheduled',
}

/** Codes of the API that find jobs. */
export const foundWaits: ReadonlySet<string> = new Set(
  Object.values(waits).flatMap((codes) => codes.split(',')),
)
