/**
 * Saves a film: never over an existing file without `--force`, and never a partial file under the final name.
 */
import { createHash } from 'node:crypto'
import { type FileHandle, access, constants, link, open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { CommandError } from './command-error.ts'
import type { ValuesOf } from './option.ts'
import type { outputOptions } from './shared-options.ts'

const standardName = 'film.mp4'

export interface Output {
  /** An absolute path. */
  readonly path: string
  readonly overwrite: boolean
}

/**
 * Chosen before the render, so that an hour's work cannot fail at a missing folder. The file of `--out` must
 * not exist, unless `--force` is given. Without `--out`, the first free name of film.mp4, film-2.mp4, ...
 */
export async function chooseOutput({ out, force }: ValuesOf<typeof outputOptions>): Promise<Output> {
  const path = resolve(out ?? standardName)
  const folder = dirname(path)
  await access(folder, constants.W_OK).catch((cause: unknown) => {
    throw new CommandError(`${folder}: there is no such folder, or nothing may be written to it`, 1, {
      cause,
    })
  })
  const existing = await stat(path).catch(() => undefined)
  if (existing?.isDirectory()) throw new CommandError(`${path} is a folder: name a file with --out`)
  if (!existing || force) return { path, overwrite: force }
  if (out !== undefined)
    throw new CommandError(
      `${path} is there already: choose another name with --out, or replace it with --force`,
    )
  for (let number = 2; ; number++) {
    const extension = extname(path)
    const other = join(folder, `${basename(path, extension)}-${number}${extension}`)
    if (!(await stat(other).catch(() => undefined))) return { path: other, overwrite: false }
  }
}

/** Saves the response's bytes, after a check of their length and hash against the server's. */
export async function saveFilm(response: Response, { path, overwrite }: Output): Promise<void> {
  const partial = `${path}.${process.pid}.part`
  try {
    {
      await using file = await open(partial, 'wx')
      await writeChecked(file, response)
      await file.sync()
    }
    if (overwrite) await rename(partial, path)
    else await publish(partial, path)
  } finally {
    await rm(partial, { force: true })
  }
}

async function writeChecked(file: FileHandle, response: Response): Promise<void> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of response.body ?? []) {
    hash.update(chunk)
    size += chunk.length
    await file.writeFile(chunk)
  }
  const length = Number(response.headers.get('content-length'))
  if (size !== length || response.headers.get('etag') !== `"${hash.digest('hex')}"`)
    throw new CommandError(`The film did not arrive whole (${size} of ${length} bytes)`)
}

/** Links the file: unlike a rename, a link fails where a file was created in the meantime. */
async function publish(partial: string, path: string): Promise<void> {
  try {
    await link(partial, path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EEXIST')
      throw new CommandError(`${path} was created by somebody else in the meantime`, 1, { cause: error })
    // Some file systems do not support links.
    await rename(partial, path)
  }
}
