/** All predictions in the order of their creation, and Replicate's pages, newest first. */
import type { Prediction } from './prediction.ts'

export interface PageRequest {
  /** ms since the epoch, inclusive. */
  readonly after: number
  /** ms since the epoch, exclusive. */
  readonly before: number
  /** The end of the previous page; null for the first page. */
  readonly cursor: number | null
  readonly now: number
}

export interface Page {
  readonly rows: readonly Prediction[]
  /** Null on the last page. */
  readonly next: number | null
}

const rowsAPage = 100

export function createList() {
  const all: Prediction[] = []
  const byId = new Map<string, Prediction>()

  /** The index of the first prediction created at this time or later. */
  const placeOf = (time: number): number => {
    let low = 0
    let high = all.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((all[middle]?.createdAt ?? Infinity) < time) low = middle + 1
      else high = middle
    }
    return low
  }

  return {
    add: (prediction: Prediction): void => {
      all.push(prediction)
      byId.set(prediction.id, prediction)
    },
    find: (id: string): Prediction | undefined => byId.get(id),
    page: ({ after, before, cursor, now }: PageRequest): Page => {
      const first = placeOf(after)
      const rows: Prediction[] = []
      for (let place = Math.min(placeOf(before), cursor ?? Infinity) - 1; place >= first; place--) {
        const prediction = all[place]
        if (prediction === undefined || prediction.listedAt > now) continue
        if (rows.length === rowsAPage) return { rows, next: place + 1 }
        rows.push(prediction)
      }
      return { rows, next: null }
    },
  }
}
