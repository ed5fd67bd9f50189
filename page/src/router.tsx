/** Addresses of the page: the path says where, the query what is filtered or chosen there. */
import { type AnchorHTMLAttributes, type MouseEvent, useSyncExternalStore } from 'react'

const changed = new EventTarget()

const subscribe = (wake: () => void): (() => void) => {
  changed.addEventListener('move', wake)
  addEventListener('popstate', wake)
  return () => {
    changed.removeEventListener('move', wake)
    removeEventListener('popstate', wake)
  }
}

const addressNow = (): string => location.pathname + location.search

/** The current address, such as `/jobs?status=failed`. */
export const useAddress = (): URL => {
  const address = useSyncExternalStore(subscribe, addressNow)
  return new URL(address, location.origin)
}

export function go(to: string, { replace = false }: { readonly replace?: boolean } = {}): void {
  if (to === addressNow()) return
  if (replace) history.replaceState(history.state, '', to)
  else {
    keepScroll()
    history.pushState(null, '', to)
    scrollTo(0, 0)
  }
  changed.dispatchEvent(new Event('move'))
}

/** Changes members of the query; undefined removes one. */
export function setQuery(change: Readonly<Record<string, string | undefined>>): void {
  const address = new URL(location.href)
  for (const [name, value] of Object.entries(change))
    if (value === undefined || value === '') address.searchParams.delete(name)
    else address.searchParams.set(name, value)
  go(address.pathname + address.search, { replace: true })
}

export type LinkProps = AnchorHTMLAttributes<HTMLAnchorElement> & { readonly to: string }

/** A real link: it opens in another tab, is copied, and is read aloud as one. */
export function Link({ to, onClick, ...rest }: LinkProps) {
  const follow = (event: MouseEvent<HTMLAnchorElement>): void => {
    onClick?.(event)
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey
    if (event.defaultPrevented || !isPlain) return
    event.preventDefault()
    go(to)
  }
  return <a {...rest} href={to} onClick={follow} />
}

/** Undefined if it is malformed, such as `%`: people type addresses, and mail programs break them. */
function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

/** The parameters of a path such as `/jobs/:id`; undefined if it is another. */
export function matched(pattern: string, path: string): Readonly<Record<string, string>> | undefined {
  const [wanted, given] = [pattern.split('/'), path.replace(/\/+$/, '').split('/')]
  if (wanted.length !== given.length) return undefined
  const found: Record<string, string> = {}
  for (const [index, part] of wanted.entries()) {
    const value = decoded(given[index]!)
    if (value === undefined) return undefined
    if (part.startsWith(':')) found[part.slice(1)] = value
    else if (part !== value) return undefined
  }
  return found
}

/** How long a page that is read again may take until it is as high as it was. */
const restoreMs = 4000
/** Browsers refuse to note a place too often. */
const noteMs = 300

const keepScroll = (): void => history.replaceState({ ...history.state, scroll: scrollY }, '')

const doNothing = (): void => {}

/** Back at a page, it is scrolled to where it was left, as soon as it is high enough. */
export function restoreScrolls(): void {
  history.scrollRestoration = 'manual'
  let timer: ReturnType<typeof setTimeout> | undefined
  let end = doNothing
  addEventListener('scroll', () => {
    clearTimeout(timer)
    timer = setTimeout(keepScroll, noteMs)
  })
  const restore = (): void => {
    clearTimeout(timer)
    end()
    const wanted: unknown = history.state?.scroll
    if (typeof wanted !== 'number') return
    const given = new AbortController()
    const heights = new ResizeObserver(() => {
      scrollTo(0, wanted)
      if (Math.abs(scrollY - wanted) < 2) end()
    })
    const late = setTimeout(() => end(), restoreMs)
    end = () => {
      clearTimeout(late)
      heights.disconnect()
      given.abort()
    }
    // From then on, the person scrolls.
    for (const event of ['wheel', 'touchstart', 'keydown', 'pointerdown'])
      addEventListener(event, () => end(), { signal: given.signal, passive: true })
    heights.observe(document.body)
  }
  addEventListener('popstate', restore)
  restore()
}
