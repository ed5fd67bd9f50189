/** The offered models: built-in ones, the operator's, and those of an embedding program. */
import { readFile } from 'node:fs/promises'
import { type Config, ConfigError } from './config.ts'
import { type Catalogue, CatalogueError, type Model, readCatalogue } from './job/catalogue.ts'

/** Models of an embedding program, in addition to the configuration. */
export interface OwnModels {
  /** As in `MODELS_FILE`. */
  readonly models?: unknown
  /** Names of the program's providers. */
  readonly providers?: readonly string[]
  /** Models of the program's renderers: free, with clips of any length. */
  readonly onThisMachine?: readonly string[]
}

const replicate = 'replicate'

/**
 * The built-in price book with the operator's and the program's models. Models without a renderer are listed in `wanting`.
 * @throws {ConfigError} that names the problem.
 */
export async function openCatalogue(config: Config, own: OwnModels = {}): Promise<Catalogue> {
  const { version, models } = await readModels(config, own)
  const renderers = new Set([...(config.replicate ? [replicate] : []), ...(own.providers ?? [])])
  const offered = [...models].filter(([, { renderer }]) => renderers.has(renderer))
  const others = [...models].filter(([, { renderer }]) => !renderers.has(renderer))
  const onThisMachine = new Set(own.onThisMachine)
  const twice = offered.find(([name]) => onThisMachine.has(name))
  if (twice)
    throw new ConfigError(
      `The model ${twice[0]} has a price, but a renderer on this machine has a model of the same name: rename one`,
    )
  return {
    version,
    models: new Map(offered),
    onThisMachine,
    wanting: new Map(others.map(([name, model]) => [name, wantedBy(model)])),
  }
}

const wantedBy = ({ renderer }: Model): string =>
  renderer === replicate
    ? 'REPLICATE_API_TOKEN to be set'
    : `a renderer named ${renderer}, which is not configured`

async function readModels({ modelsFile }: Config, { models: brought }: OwnModels): Promise<Catalogue> {
  const booksOf = async (): Promise<readonly unknown[]> =>
    modelsFile === undefined ? [] : [JSON.parse(await readFile(modelsFile, 'utf8'))]
  const books = await saying(`MODELS_FILE ${modelsFile}`, async () => {
    const own = await booksOf()
    readWithInputs(own)
    return own
  })
  return saying('models', () =>
    Promise.resolve(readWithInputs([...books, ...(brought === undefined ? [] : [brought])])),
  )
}

/** Requires `input` for Replicate's models, since a request contains only what it defines. */
function readWithInputs(books: readonly unknown[]): Catalogue {
  const catalogue = readCatalogue(...books)
  for (const [name, { renderer, input }] of catalogue.models)
    if (renderer === replicate && input === undefined)
      throw new CatalogueError(`models.${name}.input: must define the input that is sent to Replicate`)
  return catalogue
}

async function saying<T>(whose: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    const isForeseen = error instanceof CatalogueError || error instanceof SyntaxError || isDiskError(error)
    if (!isForeseen) throw error
    throw new ConfigError(`${whose}: ${error.message}`, { cause: error })
  }
}

const isDiskError = (error: unknown): error is Error => error instanceof Error && 'code' in error
