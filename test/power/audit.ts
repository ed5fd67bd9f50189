/** What lies on a disk after its power was cut, read before a server touches it: rows, and the files that they name. */
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrations } from '../../src/store/migrations/all.ts'
import type { Database } from '../../src/store/database.ts'
import { openSqlite } from '../../src/store/sqlite.ts'

export interface Audit {
  /** How many migrations are done; 0 where there is no database. */
  readonly migrated: number
  /** The artifacts that rows name. */
  readonly named: ReadonlySet<string>
  /** The artifacts that are there. */
  readonly files: ReadonlySet<string>
  readonly tasks: number
  /** What is wrong, in sentences. */
  readonly wrong: readonly string[]
}

/** Written anew here, so that the product's own notion of it is not taken for granted. */
const namedByRows = `
  select id, 'asset ' || id as row from assets
  union all select master, 'asset ' || id from assets
  union all select clip, 'scene ' || scenes.id from scenes join jobs on jobs.id = job_id
    where clip is not null and clips_removed_at is null
  union all select source, 'scene ' || scenes.id from scenes join jobs on jobs.id = job_id
    where source is not null and clips_removed_at is null
  union all select artifact, 'render ' || render_key from renders
  union all select artifact, 'seam of ' || left_clip from seams
  union all select film, 'film of job ' || job_id from films where film is not null and removed_at is null
  union all select thumbnail, 'film of job ' || job_id from films where thumbnail is not null and removed_at is null`

export async function audit(directory: string): Promise<Audit> {
  const wrong: string[] = []
  const files = new Set<string>()
  for (const [id, path] of listArtifacts(directory)) {
    files.add(id)
    const digest = createHash('sha256').update(readFileSync(path)).digest('hex')
    if (digest !== id) wrong.push(`the file ${path} is not what its name says`)
  }
  const named = new Set<string>()
  const rows = await readRows(directory)
  if (rows.integrity !== 'ok') wrong.push(`the database is damaged: ${rows.integrity}`)
  for (const { id, row } of rows.named) {
    named.add(id)
    if (!files.has(id)) wrong.push(`${row} names the artifact ${id}, which is not there`)
  }
  return { migrated: rows.migrated, named, files, tasks: rows.tasks, wrong }
}

const idLength = 64

/** Also those on their way out, which are put back at a start. */
function* listArtifacts(directory: string): Generator<[id: string, path: string]> {
  const folders = ['removing', ...names(join(directory, 'artifacts')).map((name) => join('artifacts', name))]
  for (const folder of folders)
    // What is on its way out has the number of its removal behind its id.
    for (const name of names(join(directory, folder)))
      yield [name.slice(0, idLength), join(directory, folder, name)]
}

const names = (folder: string): readonly string[] => (existsSync(folder) ? readdirSync(folder) : [])

interface Rows {
  readonly integrity: string
  readonly migrated: number
  readonly named: readonly { readonly id: string; readonly row: string }[]
  readonly tasks: number
}

/** From a copy: to open the database itself would already mend it. */
async function readRows(directory: string): Promise<Rows> {
  if (!existsSync(join(directory, 'coordinator.db')))
    return { integrity: 'ok', migrated: 0, named: [], tasks: 0 }
  const folder = mkdtempSync(join(tmpdir(), 'power-audit-'))
  try {
    for (const name of ['coordinator.db', 'coordinator.db-wal'])
      if (existsSync(join(directory, name))) copyFileSync(join(directory, name), join(folder, name))
    const database = openSqlite({ path: join(folder, 'coordinator.db') })
    try {
      const integrity = String((await database.get('pragma integrity_check'))?.['integrity_check'])
      const migrated = await countMigrations(database)
      if (migrated < migrations.length) return { integrity, migrated, named: [], tasks: 0 }
      const named = (await database.all(namedByRows)).map(({ id, row }) => ({
        id: String(id),
        row: String(row),
      }))
      const tasks = Number((await database.get('select count(*) as count from tasks'))?.['count'])
      return { integrity, migrated, named, tasks }
    } finally {
      await database.close()
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function countMigrations(database: Database): Promise<number> {
  const table = await database.get(`select 1 as there from sqlite_master where name = 'migrations'`)
  if (!table) return 0
  return Number((await database.get('select count(*) as count from migrations'))?.['count'])
}
