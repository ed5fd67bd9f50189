/** Figures about everything: nearly every event changes them, so they are read again every few seconds at most. */
import { useEffect } from 'react'
import { type Live, type Source, listen, useLive } from './live.ts'

/** No event tells of some changes, such as that of a limit: without one it is read after this time. */
const unaskedMs = 6000

/** `load` of a source whose answer no event changes in place. */
export const steady = <Data>(name: string, load: Source<Data>['load']): Source<Data> => ({
  name: `steady ${name}`,
  load,
  on: (_, data) => data,
})

/** As `useLive`, read again at most every `everyMs` where something has happened, and not while the page is hidden. */
export function useSteady<Data>(source: Source<Data>, everyMs = 3000): Live<Data> {
  const live = useLive(source)
  const { again } = live
  useEffect(() => {
    let hasChanged = false
    let readAt = Date.now()
    const stop = listen({
      onEvents(events) {
        hasChanged ||= events.some(({ type }) => type !== 'job_progress')
      },
      onGap() {
        readAt = Date.now()
      },
    })
    const timer = setInterval(() => {
      const isDue = hasChanged || Date.now() - readAt >= Math.max(unaskedMs, everyMs)
      if (!isDue || document.hidden) return
      hasChanged = false
      readAt = Date.now()
      again()
    }, everyMs)
    return () => {
      stop()
      clearInterval(timer)
    }
  }, [again, everyMs])
  return live
}
