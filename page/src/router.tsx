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
  if (replace) history.replaceState(null, '', to)
  else {
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

/** The parameters of a path such as `/jobs/:id`; undefined if it is another. */
export function matched(pattern: string, path: string): Readonly<Record<string, string>> | undefined {
  const [wanted, given] = [pattern.split('/'), path.replace(/\/+$/, '').split('/')]
  if (wanted.length !== given.length) return undefined
  const found: Record<string, string> = {}
  for (const [index, part] of wanted.entries()) {
    const value = given[index]!
    if (part.startsWith(':')) found[part.slice(1)] = decodeURIComponent(value)
    else if (part !== value) return undefined
  }
  return found
}
