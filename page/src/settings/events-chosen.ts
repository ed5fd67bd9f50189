/** Which types of event an endpoint receives: the API also takes topics (`jobs:completed`) and families (`jobs:*`). */
import type { EventType } from '../../../src/client/client.ts'
import { type Words, en } from '../words/en.ts'

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each type has words
const types = Object.keys(en.settings.webhooks.event) as readonly EventType[]

const families = [
  ['jobs:*', types.filter((type) => type.startsWith('job_'))],
  ['scenes:*', types.filter((type) => type.startsWith('scene_'))],
] as const

export const [[, jobTypes], [, sceneTypes]] = families

/** What most receivers wait for: how a film ended. */
export const endings: ReadonlySet<EventType> = new Set(['job_completed', 'job_failed', 'job_cancelled'])

/** The types that these names choose. */
export function typesIn(names: readonly string[]): ReadonlySet<EventType> {
  const whole = new Set(names.flatMap((name) => families.find(([family]) => family === name)?.[1] ?? []))
  const single = new Set(names.map((name) => name.replace(/^(job|scene)s:/, '$1_')))
  return new Set(types.filter((type) => whole.has(type) || single.has(type)))
}

/** The shortest names for these types. */
export const namesOf = (
  chosen: ReadonlySet<EventType>,
): readonly (EventType | (typeof families)[number][0])[] =>
  families.flatMap(([family, members]) =>
    members.every((type) => chosen.has(type)) ? [family] : members.filter((type) => chosen.has(type)),
  )

export function eventWords(type: string, { settings: { webhooks } }: Words): string {
  if (!Object.hasOwn(webhooks.event, type)) return webhooks.ping
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as the line before has looked
  return webhooks.eventName(webhooks.event[type as keyof typeof webhooks.event], type.startsWith('scene_'))
}
