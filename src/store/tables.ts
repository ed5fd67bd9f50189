/** The tables of a database as it describes them itself: their columns, and the order that foreign keys allow. */
import type { Database, Reader, Row, SqlValue } from './database.ts'
import { number, text } from './sql.ts'

export interface Table {
  readonly name: string
  /** Sorted by name. */
  readonly columns: readonly string[]
}

/** All tables of the program, those before that others refer to. */
export async function listTables(database: Database): Promise<readonly Table[]> {
  const columns = await database.all(database.dialect === 'sqlite' ? sqliteColumns : postgresColumns)
  const byTable = new Map<string, string[]>()
  for (const row of columns)
    byTable.set(text(row, 'in_table'), [...(byTable.get(text(row, 'in_table')) ?? []), text(row, 'name')])
  const references = await database.all(database.dialect === 'sqlite' ? sqliteReferences : postgresReferences)
  return inOrder([...byTable.keys()], references).map((name) => ({
    name,
    columns: byTable.get(name)!.toSorted(),
  }))
}

const sqliteColumns = `select tables.name as in_table, columns.name as name
  from sqlite_master as tables join pragma_table_info(tables.name) as columns
  where tables.type = 'table' and tables.name not like 'sqlite_%' order by tables.name`

const postgresColumns = `select columns.table_name::text as in_table, columns.column_name::text as name
  from information_schema.columns join information_schema.tables using (table_schema, table_name)
  where table_schema = current_schema() and table_type = 'BASE TABLE' order by columns.table_name`

const sqliteReferences = `select tables.name as in_table, keys."table" as to_table
  from sqlite_master as tables join pragma_foreign_key_list(tables.name) as keys where tables.type = 'table'`

const postgresReferences = `select conrelid::regclass::text as in_table, confrelid::regclass::text as to_table
  from pg_constraint where contype = 'f' and connamespace = current_schema()::regnamespace`

function inOrder(names: readonly string[], references: readonly Row[]): readonly string[] {
  const ordered = new Set<string>()
  const add = (name: string, path: readonly string[]): void => {
    if (path.includes(name)) throw new Error(`The tables ${path.join(', ')} refer to each other`)
    for (const row of references)
      if (text(row, 'in_table') === name && text(row, 'to_table') !== name)
        add(text(row, 'to_table'), [...path, name])
    ordered.add(name)
  }
  for (const name of names.toSorted()) add(name, [])
  return [...ordered]
}

const pageRows = 200

/** Calls `use` for each page of a table's rows on SQLite. The pages share no snapshot: nothing else may write. */
export async function eachPage(
  database: Database,
  table: Table,
  use: (rows: readonly Row[]) => Promise<void>,
): Promise<void> {
  const columns = list(table.columns)
  for (let after = 0; ;) {
    const rows = await database.all(
      `select ${columns}, rowid as moved_rowid from ${quoted(table.name)} where rowid > $1 order by rowid limit $2`,
      [after, pageRows],
    )
    if (rows.length === 0) return
    await use(rows)
    after = number(rows.at(-1)!, 'moved_rowid')
  }
}

/** Calls `use` for each page of a table's rows on PostgreSQL. It may begin again, after `begin`. */
export const eachPageByCursor = (
  database: Database,
  table: Table,
  { begin, use }: { readonly begin: () => void; readonly use: (rows: readonly Row[]) => void },
): Promise<void> =>
  database.snapshot(async (reader: Reader) => {
    begin()
    await reader.all(`declare moved_rows cursor for select ${list(table.columns)} from ${quoted(table.name)}`)
    for (;;) {
      const rows = await reader.all(`fetch ${pageRows} from moved_rows`)
      if (rows.length === 0) break
      use(rows)
    }
    await reader.all('close moved_rows')
  })

/** Inserts all rows of a page by one statement. */
export function insertOf(table: Table, rows: readonly Row[]): { sql: string; params: readonly SqlValue[] } {
  const width = table.columns.length
  const places = rows.map(
    (_, row) => `(${table.columns.map((__, column) => `$${row * width + column + 1}`).join(', ')})`,
  )
  return {
    sql: `insert into ${quoted(table.name)} (${list(table.columns)}) values ${places.join(', ')}`,
    params: rows.flatMap((row) => table.columns.map((column) => row[column] ?? null)),
  }
}

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

const list = (columns: readonly string[]): string => columns.map(quoted).join(', ')
