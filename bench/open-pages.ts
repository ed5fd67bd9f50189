/**
 * Pages that are open while their worker runs: each is all of one but its drawing, by the page's own code. In a thread of
 * their own, so that what they do with answers does not delay who measures.
 */
import { setMaxListeners } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { workerData } from 'node:worker_threads'
import { type Source, createAnswers } from '../page/src/server/answers.ts'
import type { JobEvent } from '../src/job/event.ts'

export interface OpenPages {
  readonly url: string
  readonly pages: number
  readonly jobId: number
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what bench/page-readers.ts passes
const { url, pages, jobId } = workerData as OpenPages

// What the page finds in a browser.
const page = new EventTarget()
setMaxListeners(0, page)
Object.assign(globalThis, {
  location: new URL(url),
  document: Object.assign(page, { visibilityState: 'visible' }),
  addEventListener: page.addEventListener.bind(page),
})
/** A file of the page, whose types are those of a browser. */
const ofPage = async <Exports>(file: string): Promise<Exports> =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what this program uses of it
  (await import(new URL(`../page/src/server/${file}`, import.meta.url).href)) as Exports
const { followEvents } = await ofPage<{
  followEvents(
    signal: AbortSignal,
    listener: { onGap(): void; onState(): void; onEvent(event: JobEvent): void },
  ): Promise<void>
}>('stream.ts')
const { attentionSource, jobSource } = await ofPage<{
  attentionSource: Source<unknown>
  jobSource(id: number): Source<unknown>
}>('sources.ts')

function open(): void {
  const answers = createAnswers({ isHidden: () => false, isPassing: () => true })
  for (const source of [attentionSource, jobSource(jobId)]) answers.watch(source, () => {})
  let waiting: JobEvent[] = []
  followEvents(new AbortController().signal, {
    onGap: answers.readAll,
    onState: () => {},
    onEvent: (event) => {
      if (waiting.length === 0)
        void setTimeout(50).then(() => {
          const events = waiting
          waiting = []
          answers.apply(events)
        })
      waiting.push(event)
    },
  }).catch(() => {})
}

for (let opened = 0; opened < pages; opened++) open()
