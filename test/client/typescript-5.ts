/** A generator that is written for the programming interface of TypeScript 5, beside the TypeScript that checks this project. */
import { registerHooks } from 'node:module'

registerHooks({
  resolve: (name, context, next) => next(name === 'typescript' ? 'typescript-5' : name, context),
})
