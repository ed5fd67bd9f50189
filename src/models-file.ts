/** The models that are offered: those that are built in, the operator's own, and those that a program brings. */
import { readFile } from 'node:fs/promises'
import { type Config, ConfigError } from './config.ts'
import { type Catalogue, CatalogueError, type Model, readCatalogue } from './job/catalogue.ts'

/** What a program brings beside the configuration. */
export interface OwnModels {
  /** As in `MODELS_FILE`. */
  readonly models?: unknown
  /** Names of its providers. */
  readonly providers?: readonly string[]
  /** Models that its renderers render, free and of any length. */
  readonly onThisMachine?: readonly string[]
}

const replicate = 'replicate'

/**
 * The built-in price book with the operator's own models and a program's; those that nobody renders here are told as wanting.
 * @throws {ConfigError} that names what is wrong.
 */
export async function openCatalogue(config: Config, own: OwnModels = {}): Promise<Catalogue> {
  const { version, models } = await readModels(config, own)
  const renderers = new Set([...(config.replicate ? [replicate] : []), ...(own.providers ?? [])])
  const offered = [...models].filter(([, { renderer }]) => renderers.has(renderer))
  const others = [...models].filter(([, { renderer }]) => !renderers.has(renderer))
  const onThisMachine = new Set(own.onThisMachine)
  const twice = offered.find(([name]) => onThisMachine.has(name))
  if (twice)
    throw new ConfigError(`The model ${twice[0]} has a price, and is rendered on this machine: rename one`)
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
    : `a renderer named ${renderer}, which there is not here`

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

/** Replicate is sent nothing but what a model's `input` says. */
function readWithInputs(books: readonly unknown[]): Catalogue {
  const catalogue = readCatalogue(...books)
  for (const [name, { renderer, input }] of catalogue.models)
    if (renderer === replicate && input === undefined)
      throw new CatalogueError(`models.${name}.input: must say what Replicate is sent`)
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
