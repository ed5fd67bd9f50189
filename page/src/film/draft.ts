/**
 * The film that is being put together. It outlives its page: uploads go on while a person looks at another, and what was
 * chosen and uploaded is there after a reload.
 */
import { useSyncExternalStore } from 'react'
import { keepDraft, readDraft } from '../server/draft.ts'
import { Uploads } from '../server/upload.ts'
import { type Choices, choicesFrom, firstChoices } from './choices.ts'
import { type Photograph, isUnderWay, looksLikePicture } from './photograph.ts'
import { roomIn } from './room-name.ts'

export interface Draft {
  readonly photographs: readonly Photograph[]
  readonly choices: Choices
  /** Names of files that are no photographs. */
  readonly leftOut: readonly string[]
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null

const textIn = (value: unknown): string => (typeof value === 'string' ? value : '')

/** One that had not arrived when the page was left can only be dropped again. */
function photographFrom(given: unknown): readonly Photograph[] {
  if (!isObject(given)) return []
  const asset = textIn(given['asset'])
  return [
    {
      id: crypto.randomUUID(),
      name: textIn(given['name']),
      room: textIn(given['room']),
      bytes: 0,
      sent: 0,
      state: asset === '' ? 'lost' : 'ready',
      asset: asset === '' ? undefined : asset,
      url: undefined,
      error: undefined,
    },
  ]
}

function keptDraft(): Draft {
  const given = readDraft()
  const { photographs, choices } = isObject(given) ? given : {}
  return {
    photographs: Array.isArray(photographs) ? photographs.flatMap(photographFrom) : [],
    choices: choicesFrom(isObject(choices) ? choices : {}),
    leftOut: [],
  }
}

let draft = keptDraft()
const watchers = new Set<() => void>()

/** Writing it at each key press would be too often. */
const writeMs = 300
let timer: ReturnType<typeof setTimeout> | undefined

function write(): void {
  clearTimeout(timer)
  timer = undefined
  const { photographs, choices } = draft
  keepDraft({ photographs: photographs.map(({ name, room, asset }) => ({ name, room, asset })), choices })
}

function change(part: Partial<Draft>): void {
  draft = { ...draft, ...part }
  timer ??= setTimeout(write, writeMs)
  for (const wake of watchers) wake()
}

addEventListener('pagehide', () => {
  if (timer !== undefined) write()
})

addEventListener('beforeunload', (event) => {
  if (draft.photographs.some(isUnderWay)) event.preventDefault()
})

const subscribe = (wake: () => void): (() => void) => {
  watchers.add(wake)
  return () => watchers.delete(wake)
}

export const useDraft = (): Draft => useSyncExternalStore(subscribe, () => draft)

export const choose = (chosen: Partial<Choices>): void => change({ choices: { ...draft.choices, ...chosen } })

export const arrange = (photographs: readonly Photograph[]): void => {
  if (photographs !== draft.photographs) change({ photographs })
}

export function changePhotograph(id: string, part: Partial<Photograph>): void {
  change({ photographs: draft.photographs.map((one) => (one.id === id ? { ...one, ...part } : one)) })
}

const forget = ({ url }: Photograph): void => {
  if (url !== undefined) URL.revokeObjectURL(url)
}

const uploads = new Uploads({
  onSent: (id, sent) => changePhotograph(id, { state: 'sending', sent }),
  onEnd(id, outcome) {
    if ('error' in outcome) return changePhotograph(id, { state: 'failed', sent: 0, error: outcome.error })
    const photograph = draft.photographs.find((one) => one.id === id)
    if (photograph) forget(photograph)
    changePhotograph(id, {
      state: 'ready',
      asset: outcome.asset.id,
      url: undefined,
      error: undefined,
    })
  },
})

const photographOf = (file: File): Photograph => ({
  id: crypto.randomUUID(),
  name: file.name,
  room: roomIn(file.name) ?? '',
  bytes: file.size,
  sent: 0,
  state: 'waiting',
  asset: undefined,
  url: URL.createObjectURL(file),
  error: undefined,
})

/** Adds photographs and uploads them. One that was lost is found again by its name. */
export function addFiles(files: readonly File[]): void {
  const pictures = files.filter(looksLikePicture)
  const photographs = [...draft.photographs]
  const added = pictures.map((file) => {
    const photograph = photographOf(file)
    const lost = photographs.findIndex(({ state, name }) => state === 'lost' && name === file.name)
    if (lost < 0) photographs.push(photograph)
    else photographs[lost] = { ...photograph, room: photographs[lost]!.room }
    return { id: photograph.id, file }
  })
  const leftOut = files.filter((file) => !looksLikePicture(file)).map(({ name }) => name)
  change({ photographs, leftOut })
  for (const { id, file } of added) uploads.add(id, file)
}

export function uploadAgain(ids: readonly string[]): void {
  for (const id of ids)
    if (uploads.again(id)) changePhotograph(id, { state: 'waiting', sent: 0, error: undefined })
}

export function removePhotograph(id: string): void {
  uploads.remove(id)
  for (const photograph of draft.photographs) if (photograph.id === id) forget(photograph)
  change({ photographs: draft.photographs.filter((one) => one.id !== id) })
}

/** Begins another film. */
export function startOver(): void {
  for (const photograph of draft.photographs) {
    uploads.remove(photograph.id)
    forget(photograph)
  }
  const { client } = draft.choices
  change({ photographs: [], choices: { ...firstChoices, client }, leftOut: [] })
}
