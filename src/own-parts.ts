/** Adapters that a program passes to `openWorkflow`, and the checks of their names and models. */
import type { ArtifactStore } from './artifact/artifact.ts'
import { ConfigError } from './config.ts'
import type { Catalogue } from './job/catalogue.ts'
import type { OwnModels } from './models-file.ts'
import type { Provider } from './renderer/provider.ts'
import type { Renderer } from './renderer/renderer.ts'

export interface OwnParts {
  /** Renderers on this machine, in addition to `local`: free, with clips of any length. */
  readonly renderers?: readonly Renderer[]
  /** Paid providers, in addition to Replicate. Each of their models needs a price in `models`. */
  readonly providers?: readonly Provider[]
  /** Models and prices of the providers, as in `MODELS_FILE`. */
  readonly models?: unknown
  /** Replaces the artifact store in the data folder. The caller closes it. */
  readonly artifacts?: ArtifactStore
}

/** Stored attempts refer to these names, so no other renderer may use them. */
const builtIn = ['local', 'replicate'] as const
const namePattern = /^[a-z][a-z\d-]{0,39}$/

const named = ({ renderers = [], providers = [] }: OwnParts): readonly (Renderer | Provider)[] => [
  ...renderers,
  ...providers,
]

/** @throws {ConfigError} */
export function refuseClashes(own: OwnParts): void {
  const names = new Set<string>(builtIn)
  const models = new Set<string>(['local'])
  for (const part of named(own)) {
    if (!namePattern.test(part.name))
      throw new ConfigError(
        `The renderer ${JSON.stringify(part.name)} needs a name of a-z, 0-9 and -, at most 40, that begins with a letter`,
      )
    if (names.has(part.name))
      throw new ConfigError(`The name ${part.name} is another renderer's: choose a new one`)
    names.add(part.name)
    if (part.models.length === 0)
      throw new ConfigError(`The renderer ${part.name} has no models: name at least one`)
    for (const model of part.models) {
      if (models.has(model))
        throw new ConfigError(
          `The model ${model} of ${part.name} is another renderer's: choose a new name for it`,
        )
      models.add(model)
    }
    if (!Number.isSafeInteger(part.maxConcurrency) || part.maxConcurrency < 1)
      throw new ConfigError(`maxConcurrency of ${part.name} must be a whole number from 1`)
  }
}

export const modelsOfOwn = ({ renderers = [], providers = [], models }: OwnParts): OwnModels => ({
  ...(models !== undefined && { models }),
  providers: providers.map(({ name }) => name),
  onThisMachine: renderers.flatMap((renderer) => renderer.models),
})

/**
 * Refuses a provider's model without a price, since no job could use it.
 * @throws {ConfigError}
 */
export function refuseUnpriced({ providers = [] }: OwnParts, catalogue: Catalogue): void {
  for (const { name, models } of providers)
    for (const model of models)
      if (catalogue.models.get(model)?.renderer !== name)
        throw new ConfigError(
          `The model ${model} of ${name} has no price: give "models" an entry ${JSON.stringify(model)} with "renderer": ${JSON.stringify(name)}, as in MODELS_FILE`,
        )
}
