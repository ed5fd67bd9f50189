/**
 * Loaded into a media process by `--expose-gc --import`: collects garbage before every call of FFmpeg's libraries, so that
 * a wrapper that nobody holds is gone while what it owned is still used.
 */
import * as library from 'node-av/lib'

let calls = 0

/** Young objects at each call; those that have lived through two collections, at each eighth. */
function collect(): void {
  if (calls++ % 8 === 0) globalThis.gc!()
  else globalThis.gc!({ type: 'minor', execution: 'sync' })
}

for (const wrapper of Object.values(library)) {
  if (typeof wrapper !== 'function') continue
  for (const name of Object.getOwnPropertyNames(wrapper.prototype ?? {})) {
    const property = Object.getOwnPropertyDescriptor(wrapper.prototype, name)!
    const method: unknown = property.value
    if (name === 'constructor' || typeof method !== 'function') continue
    Object.defineProperty(wrapper.prototype, name, {
      ...property,
      value(this: unknown, ...args: unknown[]): unknown {
        collect()
        return Reflect.apply(method, this, args)
      },
    })
  }
}
