/** Takes over what has not changed, so that the parts that show it need not be drawn again. */

type Members = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Members => typeof value === 'object' && value !== null

/** `now`, with each part that equals the one in `before` replaced by that one. Both are as JSON says them. */
export function merge<Value>(before: unknown, now: Value): Value
export function merge(before: unknown, now: unknown): unknown {
  if (Object.is(before, now)) return before
  if (!isObject(before) || !isObject(now)) return now
  if (Array.isArray(before) && Array.isArray(now)) return mergeLists(before, now)
  if (Array.isArray(before) || Array.isArray(now)) return now
  const names = Object.keys(now)
  let isSame = names.length === Object.keys(before).length
  const merged: Record<string, unknown> = {}
  for (const name of names) {
    merged[name] = merge(before[name], now[name])
    isSame &&= Object.is(merged[name], before[name]) && name in before
  }
  return isSame ? before : merged
}

const idOf = (value: unknown): unknown => (isObject(value) ? (value['id'] ?? value['job_id']) : undefined)

/** Entries with an id are found by it, wherever they have moved. */
function mergeLists(before: readonly unknown[], now: readonly unknown[]): readonly unknown[] {
  let known: Map<unknown, unknown> | undefined
  const merged = now.map((value, index) => {
    const id = idOf(value)
    if (id === undefined || id === idOf(before[index])) return merge(before[index], value)
    known ??= new Map(before.map((one) => [idOf(one), one]))
    return merge(known.get(id), value)
  })
  const isSame = merged.length === before.length && merged.every((value, index) => value === before[index])
  return isSame ? before : merged
}
