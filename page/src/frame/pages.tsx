/** The pages, and at which address each is. */
import { type ComponentType, type ReactNode, lazy } from 'react'
import { Waiting } from '../pages/waiting.tsx'
import { matched } from '../router.tsx'
import { useSession } from '../server/session.tsx'
import type { IconName } from '../ui/icon.tsx'
import type { Words } from '../words/words.tsx'

/** Loaded when it is first shown, or by the server's hint when its address is opened. */
const later = <Props,>(load: () => Promise<ComponentType<Props>>) =>
  lazy(() => load().then((page) => ({ default: page })))

const JobPage = later(() => import('../pages/job.tsx').then(({ JobPage: page }) => page))
const Jobs = later(() => import('../pages/jobs.tsx').then(({ Jobs: page }) => page))
const NewFilm = later(() => import('../pages/new-film.tsx').then(({ NewFilm: page }) => page))
const Overview = later(() => import('../pages/overview.tsx').then(({ Overview: page }) => page))
const Settings = later(() => import('../pages/settings.tsx').then(({ Settings: page }) => page))

type PageName = 'waiting' | 'newFilm' | 'jobs' | 'overview' | 'settings'

export interface Page {
  readonly name: PageName & IconName & keyof Words['nav']
  readonly path: string
  /** What a key must allow, so that the navigation leads there. */
  readonly needs?: 'submit' | 'read'
  /** After `g`: leads there. Undefined: the navigation does not. */
  readonly key?: string
  readonly show: (parameters: Readonly<Record<string, string>>) => ReactNode
}

const pages: readonly Page[] = [
  { name: 'waiting', path: '', key: 'w', show: () => <Waiting /> },
  { name: 'newFilm', path: '/new', key: 'n', needs: 'submit', show: () => <NewFilm /> },
  { name: 'jobs', path: '/jobs', key: 'j', show: () => <Jobs /> },
  { name: 'jobs', path: '/jobs/:id', show: ({ id = '' }) => <JobPage key={id} id={Number(id)} /> },
  { name: 'overview', path: '/overview', key: 'o', needs: 'read', show: () => <Overview /> },
  { name: 'settings', path: '/settings', key: 's', show: () => <Settings /> },
  { name: 'settings', path: '/settings/:part', show: () => <Settings /> },
]

const mainPages = pages.filter(({ key }) => key !== undefined)

/** Where the navigation leads a person. */
export function useMainPages(): readonly Page[] {
  const { can } = useSession()
  return mainPages.filter(({ needs }) => needs === undefined || can(needs))
}

const isWellFormed = ({ id }: Readonly<Record<string, string>>): boolean =>
  id === undefined || /^[1-9]\d{0,14}$/.test(id)

export interface Place {
  readonly page: Page
  readonly shown: ReactNode
}

/** Undefined: there is nothing at this address. */
export function placeAt(path: string): Place | undefined {
  for (const page of pages) {
    const parameters = matched(page.path, path)
    if (parameters && isWellFormed(parameters)) return { page, shown: page.show(parameters) }
  }
  return undefined
}
