/**
 * Changes of scenes that are not saved yet. They outlast live updates, the choice of another scene and other pages, until
 * they are saved or discarded.
 */
import { useCallback, useSyncExternalStore } from 'react'
import { type Draft, isEmpty } from './draft.ts'

type Drafts = ReadonlyMap<string, Draft>

const none: Drafts = new Map()
const byJob = new Map<number, Drafts>()
const watchers = new Set<() => void>()

const warn = (event: BeforeUnloadEvent): void => event.preventDefault()

/** Undefined discards it. A draft that changes nothing is none. */
export function setDraft(jobId: number, sceneId: string, draft: Draft | undefined): void {
  const changed = new Map(byJob.get(jobId))
  if (draft && !isEmpty(draft)) changed.set(sceneId, draft)
  else changed.delete(sceneId)
  if (changed.size > 0) byJob.set(jobId, changed)
  else byJob.delete(jobId)
  // The browser asks before it leaves the page.
  if (byJob.size > 0) addEventListener('beforeunload', warn)
  else removeEventListener('beforeunload', warn)
  for (const wake of watchers) wake()
}

const subscribe = (wake: () => void): (() => void) => {
  watchers.add(wake)
  return () => watchers.delete(wake)
}

/** Forgets the drafts of a job that its scenes hold now. */
export function forgetSaved(jobId: number, revision: number): void {
  for (const [sceneId, { savedAs }] of byJob.get(jobId) ?? none)
    if (savedAs !== undefined && savedAs <= revision) setDraft(jobId, sceneId, undefined)
}

/** The drafts of a job, by scene. */
export const useDrafts = (jobId: number): Drafts =>
  useSyncExternalStore(
    subscribe,
    useCallback(() => byJob.get(jobId) ?? none, [jobId]),
  )
