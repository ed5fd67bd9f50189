/** Bodies of up to a megabyte that are dear to read, check or answer, each of a kind of its own. */
const megabyte = 1 << 20
/** Room for what stands around a value. */
const valueBytes = megabyte - 4096

/** Parts with commas between them: as many as fit in, or as pass for few values. */
const many = (part: (n: number) => string, most = Infinity): string => {
  const parts: string[] = []
  for (let size = 0; parts.length < most;) {
    const next = part(parts.length)
    size += next.length + 1
    if (size > valueBytes) break
    parts.push(next)
  }
  return parts.join(',')
}

/** A text of a megabyte. */
const text = (unit: string): string =>
  JSON.stringify(unit.repeat(valueBytes / JSON.stringify(unit).slice(1, -1).length))

/** Just below the values that a body may hold. */
const allowed = 45_000

const lists: Readonly<Record<string, (most?: number) => string>> = {
  'empty objects': (most) => `[${many(() => '{}', most)}]`,
  'empty lists': (most) => `[${many(() => '[]', most)}]`,
  numbers: (most) => `[${many((n) => String(n + 1), most)}]`,
  texts: (most) => `[${many((n) => `"${n}"`, most)}]`,
  members: (most) => `{${many((n) => `"k${n}":0`, most)}}`,
  'members that are objects': (most) => `{${many((n) => `"k${n}":{}`, most && most / 2)}}`,
  'deep lists': (most) => `[${many(() => '['.repeat(25) + ']'.repeat(25), most && most / 26)}]`,
  'objects of wrong members': (most) =>
    `[${many(() => '{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"h":0}', Math.min(500, most ?? 500))}]`,
}

const texts: Readonly<Record<string, string>> = {
  letters: text('a'),
  spaces: text(' '),
  'control characters': text('\u0001'),
  'lone surrogates': `"${'\\ud800'.repeat(170_000)}"`,
  digits: text('1'),
  'a long number': '1'.repeat(valueBytes),
  'an address': JSON.stringify(`http://${'a.'.repeat(500_000)}`),
  'an address in percent': JSON.stringify(`http://example.com/${'%'.repeat(1_000_000)}`),
  'a time': JSON.stringify(`2026-11-25T18:00:00.${'0'.repeat(1_000_000)}`),
}

const values: readonly (readonly [kind: string, value: string])[] = [
  ...Object.entries(lists).flatMap(([kind, list]) => [
    [`a megabyte of ${kind}`, list()] as const,
    [`as many ${kind} as are read`, list(allowed)] as const,
  ]),
  ...Object.entries(texts).map(([kind, value]) => [`a megabyte of ${kind}`, value] as const),
]

export interface HostileBody {
  readonly method: string
  readonly path: string
  readonly name: string
  readonly body: string
}

const asset = '0'.repeat(64)
const photos = `"photos":[{"asset_id":"${asset}"}]`
const job = (parameters: string, others = ''): string =>
  `{"type":"property_photos","parameters":{${parameters}}${others}}`

/** Each value in each of these places. `place`: the body with the value in it. */
const places: readonly (readonly [address: string, name: string, place: (value: string) => string])[] = [
  ['POST /api/v3/jobs', 'a member of its own', (value) => job(`${photos},"own":${value}`)],
  ['POST /api/v3/jobs', 'parameters', (value) => `{"type":"image_pairs","parameters":${value}}`],
  ['POST /api/v3/jobs', 'photos', (value) => job(`"photos":${value}`)],
  ['POST /api/v3/jobs', 'images', (value) => `{"type":"image_pairs","parameters":{"images":${value}}}`],
  ['POST /api/v3/jobs', 'pairs', (value) => `{"type":"image_pairs","parameters":{"pairs":${value}}}`],
  ['POST /api/v3/jobs', 'title', (value) => job(`${photos},"title":${value}`)],
  ['POST /api/v3/jobs', 'scenes', (value) => job(photos, `,"storyboard":{"scenes":${value}}`)],
  ['POST /api/v3/jobs', 'depends_on', (value) => job(photos, `,"depends_on":${value}`)],
  ['POST /api/v3/jobs', 'webhook_events', (value) => job(photos, `,"webhook_events":${value}`)],
  ['POST /api/v3/jobs', 'webhook_url', (value) => job(photos, `,"webhook_url":${value}`)],
  ['POST /api/v3/jobs', 'run_at', (value) => job(photos, `,"run_at":${value}`)],
  ['POST /api/v3/estimates', 'unknown members', (value) => job(photos, `,"unknown":${value}`)],
  ['POST /api/v3/jobs/approve', 'job_ids', (value) => `{"job_ids":${value}}`],
  ['POST /api/v3/jobs/cancel', 'reason', (value) => `{"job_ids":[1],"reason":${value}}`],
  ['POST /api/v3/jobs/1/approve', 'the body', (value) => value],
  ['POST /api/v3/jobs/1/retry', 'the body', (value) => value],
  ['PATCH /api/v3/jobs/1', 'the body', (value) => value],
  ['PUT /api/v3/budgets', 'the body', (value) => value],
  ['PUT /api/v3/limits', 'renderers', (value) => `{"renderers":${value}}`],
  ['POST /api/v3/pause', 'reason', (value) => `{"reason":${value}}`],
  ['POST /api/v3/keys', 'scopes', (value) => `{"name":"n","scopes":${value}}`],
  ['POST /api/v3/keys', 'name', (value) => `{"name":${value},"scopes":["read"]}`],
  ['POST /api/v3/webhooks/endpoints', 'url', (value) => `{"url":${value}}`],
  [
    'PUT /api/v3/jobs/1/scenes/00000000-0000-4000-8000-000000000000',
    'asset_ids',
    (value) => `{"asset_ids":${value}}`,
  ],
]

export const hostileBodies: readonly HostileBody[] = places.flatMap(([address, place, body]) =>
  values.map(([kind, value]) => {
    const [method, path] = address.split(' ') as [string, string]
    return { method, path, name: `${address} with ${kind} as ${place}`, body: body(value) }
  }),
)
