/**
 * The longest that `work` kept this thread from everything else, in ms of the thread's own processor time: other processes
 * of a busy machine take none of it.
 */
export async function longestBlock<Result>(
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly blockedMs: number }> {
  const spentMs = (): number => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1000
  }
  let blockedMs = 0
  let isRunning = true
  let before = spentMs()
  const look = (): void => {
    const now = spentMs()
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
