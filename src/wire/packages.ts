/** Packages that only some configurations need: not installed with the program, loaded where they are used. */
import { ConfigError } from '../config.ts'

/** @throws {ConfigError} that says what to install, if `load` imports a package that is not installed */
export async function needing<T>(
  setting: string,
  packages: readonly string[],
  load: () => Promise<T>,
): Promise<T> {
  try {
    return await load()
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND'
    const missing = packages.find((name) => isMissing && error.message.includes(`'${name}'`))
    if (missing === undefined) throw error
    throw new ConfigError(
      `${setting} needs the package ${missing}, which is not installed: npm install ${packages.join(' ')}`,
      { cause: error },
    )
  }
}
