/** The models that are offered: those that are built in, and the operator's own. */
import { readFile } from 'node:fs/promises'
import { type Config, ConfigError } from './config.ts'
import { type Catalogue, CatalogueError, readCatalogue } from './job/catalogue.ts'

/** The built-in price book with the operator's own models; without a provider to render them, none but this machine's. */
export async function openCatalogue(config: Config): Promise<Catalogue> {
  const catalogue = await readModels(config)
  if (config.replicate) return catalogue
  const wanting = [...catalogue.models.keys()].map((name) => [name, 'REPLICATE_API_TOKEN to be set'] as const)
  return { ...catalogue, models: new Map(), wanting: new Map(wanting) }
}

async function readModels({ modelsFile }: Config): Promise<Catalogue> {
  if (modelsFile === undefined) return readCatalogue()
  try {
    return readCatalogue(JSON.parse(await readFile(modelsFile, 'utf8')))
  } catch (error) {
    const isForeseen = error instanceof CatalogueError || error instanceof SyntaxError || isDiskError(error)
    if (!isForeseen) throw error
    throw new ConfigError(`MODELS_FILE ${modelsFile}: ${error.message}`, { cause: error })
  }
}

const isDiskError = (error: unknown): error is Error => error instanceof Error && 'code' in error
