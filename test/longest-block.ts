/** The longest time during `work` in which nothing else of this process had a turn. */
export async function longestBlock<Result>(
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly blockedMs: number }> {
  let blockedMs = 0
  let isRunning = true
  let before = performance.now()
  const look = (): void => {
    const now = performance.now()
    blockedMs = Math.max(blockedMs, now - before)
    before = now
    if (isRunning) setImmediate(look)
  }
  setImmediate(look)
  const result = await work()
  await new Promise<void>((resolve) => {
    setImmediate(resolve)
  })
  isRunning = false
  return { result, blockedMs }
}
