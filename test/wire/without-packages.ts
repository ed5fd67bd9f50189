/** Preloaded: the program runs as if no package for several nodes were installed, and says which it looked for. */
import { registerHooks } from 'node:module'

registerHooks({
  resolve(specifier, context, next) {
    const [name] = /^(?:pg|pg-boss|@aws-sdk\/[\w-]+)(?=$|\/)/.exec(specifier) ?? []
    if (name === undefined) return next(specifier, context)
    console.error(`looked for ${name}`)
    const error = new Error(`Cannot find package '${name}' imported from ${context.parentURL}`)
    throw Object.assign(error, { code: 'ERR_MODULE_NOT_FOUND' })
  },
})
