/** Prometheus' text format, read strictly: what a scraper would refuse throws. */

export interface Family {
  readonly type: string
  readonly help: string
  readonly samples: ReadonlyMap<string, number>
}

const name = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
// Scrapers read NaN in any case, and prom-client writes it in its own.
const sampleLine =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([Nn]a[Nn]|[+-]Inf|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/
const labelPair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,(?=.)|$)/gy

const suffixes: Readonly<Record<string, readonly string[]>> = {
  histogram: ['_bucket', '_sum', '_count'],
  summary: ['', '_sum', '_count'],
}

/** Samples by what stands before their value, such as `workflow_jobs{status="pending"}`. */
export function parseExposition(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  const families = new Map<string, Family & { readonly samples: Map<string, number> }>()
  let help: { readonly of: string; readonly text: string } | undefined
  let current: { readonly of: string; readonly family: Family & { samples: Map<string, number> } } | undefined
  for (const line of text.split('\n')) {
    if (line === '') continue
    const [, keyword, of = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    if (keyword === 'HELP') {
      help = { of, text: rest }
    } else if (keyword === 'TYPE') {
      if (!name.test(of) || help?.of !== of) throw new Error(`no help before: ${line}`)
      if (families.has(of)) throw new Error(`told twice: ${of}`)
      const family = { type: rest, help: help.text, samples: new Map<string, number>() }
      families.set(of, family)
      current = { of, family }
    } else {
      const [sample, value] = readSample(line)
      const suffix = sample.split('{')[0]!.slice(current?.of.length)
      const isOwn = current && sample.startsWith(current.of)
      if (!isOwn || !(suffixes[current!.family.type] ?? ['']).includes(suffix))
        throw new Error(`belongs to no family: ${line}`)
      if (current!.family.samples.has(sample)) throw new Error(`told twice: ${line}`)
      if (current!.family.type === 'counter' && value < 0) throw new Error(`a counter below 0: ${line}`)
      current!.family.samples.set(sample, value)
    }
  }
  for (const [of, family] of families) if (family.type === 'histogram') checkBuckets(of, family)
  return families
}

function readSample(line: string): [string, number] {
  const [, metric, labels = '', value] = sampleLine.exec(line) ?? []
  if (metric === undefined) throw new Error(`not a sample: ${line}`)
  labelPair.lastIndex = 0
  let end = 0
  for (const pair of labels.matchAll(labelPair)) end = pair.index + pair[0].length
  if (end !== labels.length) throw new Error(`bad labels: ${line}`)
  const number = value === '+Inf' ? Infinity : value === '-Inf' ? -Infinity : Number(value)
  return [labels === '' ? metric : `${metric}{${labels}}`, number]
}

/** Buckets rise, and the last one, +Inf, is the count. */
function checkBuckets(of: string, { samples }: Family): void {
  const rows = new Map<string, number[]>()
  for (const [sample, value] of samples) {
    if (!sample.startsWith(`${of}_bucket`)) continue
    const others = sample.replace(/le="[^"]*",?/, '').replace(/[{},]/g, '')
    rows.set(others, [...(rows.get(others) ?? []), value])
  }
  const counts = new Set(
    [...samples].filter(([sample]) => sample.startsWith(`${of}_count`)).map(([, value]) => value),
  )
  for (const row of rows.values()) {
    if (row.some((value, index) => value < (row[index - 1] ?? 0)))
      throw new Error(`${of} has falling buckets`)
    if (!counts.has(row.at(-1)!)) throw new Error(`${of} has buckets that don't end in a count`)
  }
}

/** A sample's value; throws where it isn't there. */
export function valueOf(families: ReadonlyMap<string, Family>, sample: string): number {
  for (const { samples } of families.values()) {
    const value = samples.get(sample)
    if (value !== undefined) return value
  }
  throw new Error(`there is no ${sample}`)
}
