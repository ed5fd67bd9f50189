/** Small things that this browser keeps. One that keeps nothing, such as in a private window, forgets them. */

export function kept(name: string): string | null {
  try {
    return localStorage.getItem(name)
  } catch {
    return null
  }
}

/** `undefined` removes it. */
export function keep(name: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(name)
    else localStorage.setItem(name, value)
  } catch {
    // Full, or not allowed.
  }
}
