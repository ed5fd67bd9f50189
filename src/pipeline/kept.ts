/** Work whose result several callers need at once or soon after. */

/** Callers with the same key share the work that is under way. */
export function shared<T>(
  underWay: Map<string, Promise<T>>,
  key: string,
  work: () => Promise<T>,
): Promise<T> {
  const started = kept(underWay, key, work)
  const forget = (): void => {
    if (underWay.get(key) === started) underWay.delete(key)
  }
  started.then(forget, forget)
  return started
}

/** Like `shared`, and caches the result. After a failure, the next caller starts again. */
export function kept<T>(results: Map<string, Promise<T>>, key: string, work: () => Promise<T>): Promise<T> {
  const known = results.get(key)
  if (known) return known
  const started = work()
  results.set(key, started)
  started.catch(() => results.delete(key))
  return started
}
