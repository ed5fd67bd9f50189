/** Databases that are up to date, and the pictures in them. */
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { insertAsset } from '../../src/store/assets.ts'
import type { Database } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrate.ts'
import { migrations } from '../../src/store/migrations/all.ts'
import { type SqliteOptions, openSqlite } from '../../src/store/sqlite.ts'
import { databaseKind } from '../database-kind.ts'

/** In memory where there is such a folder: for what says nothing about disks. */
export const memoryFolder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

export async function migrated(database: Database): Promise<Database> {
  await migrate(database, migrations)
  return database
}

let template: Promise<string> | undefined

/** Made once and copied, which takes a tenth of the time. */
const emptyFile = (): Promise<string> =>
  (template ??= (async () => {
    const folder = mkdtempSync(join(memoryFolder, 'template-'))
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    const path = join(folder, 'coordinator.db')
    await (await migrated(openSqlite({ path }))).close()
    return path
  })())

/** SQLite in a folder, with what is there already. */
export async function openFile(folder: string, options: Omit<SqliteOptions, 'path'> = {}): Promise<Database> {
  const path = join(folder, 'coordinator.db')
  if (!existsSync(path)) cpSync(await emptyFile(), path)
  return openSqlite({ path, ...options })
}

/** The database of this run in a folder, with what is there already. */
export async function openDatabase(folder: string): Promise<Database> {
  if (databaseKind === 'sqlite') return openFile(folder)
  const { databaseInFolder } = await import('../store/postgres-pool.ts')
  return (await databaseInFolder(folder)).open()
}

/** The same database; spread, so that a test can change what it does. It stays open. */
export const delegating = (database: Database): Database => ({
  dialect: database.dialect,
  all: (...query) => database.all(...query),
  get: (...query) => database.get(...query),
  transaction: (work) => database.transaction(work),
  snapshot: (work) => database.snapshot(work),
  close: () => Promise.resolve(),
})

export const assetOf = (index: number): string => index.toString(16).padStart(64, '0')

/** How many a job uses before it begins with them again. */
export const assets = 8

/** What asks for a film of `scenes` scenes. */
export const filmRequest = (scenes = 1, members: object = {}) => ({
  type: 'property_photos',
  parameters: {
    photos: Array.from({ length: scenes }, (_, index) => ({ asset_id: assetOf(index % assets) })),
    transition: 'cut',
  },
  // Jobs of the same pictures are to be rendered all the same.
  force: true,
  ...members,
})

export const addAssets = (database: Database, count: number): Promise<void> =>
  database.transaction(async (tx) => {
    for (let index = 0; index < count; index++)
      await insertAsset(tx, {
        id: assetOf(index),
        contentType: 'image/png',
        width: 4,
        height: 3,
        size: 1,
        master: assetOf(index),
        insertedAt: 0,
      })
  })
