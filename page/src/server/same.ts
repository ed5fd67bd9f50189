/**
 * A new answer with each part that has not changed replaced by the one that is shown: what compares by identity then sees
 * what changed, such as one scene among ten thousand. Members of lists are found again by their `id`.
 */
export function keepSame<Value>(before: unknown, after: Value): Value {
  if (Object.is(before, after)) return after
  if (Array.isArray(before) && Array.isArray(after)) return listOf(before, after)
  if (!isRecord(before) || !isRecord(after)) return after
  const members = Object.entries(after).map(([name, value]) => [name, keepSame(before[name], value)] as const)
  const isSame =
    members.length === Object.keys(before).length &&
    members.every(([name, value]) => Object.hasOwn(before, name) && Object.is(before[name], value))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- equal to it in all its members
  return (isSame ? before : Object.fromEntries(members)) as Value
}

function listOf<List>(before: readonly unknown[], after: List & readonly unknown[]): List {
  const known = new Map(before.map((one) => [idOf(one), one]))
  const merged = after.map((one, index) => {
    const id = idOf(one)
    return keepSame(id === undefined ? before[index] : known.get(id), one)
  })
  const isSame = merged.length === before.length && merged.every((one, index) => one === before[index])
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- equal to it in all its members
  return (isSame ? before : merged) as List
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const idOf = (one: unknown): unknown => (isRecord(one) ? one['id'] : undefined)
