/**
 * Moves the history of an SQLite database, which nothing else uses, to a PostgreSQL. A seal keeps servers off the target until
 * every row is there and was compared; the source is sealed before the target is opened, so that no two servers run the same
 * jobs. Cut off at any point it is called again: until the seal of the target is removed, it begins anew.
 */
import { type Database, DatabaseError, type Reader, type Transaction } from './database.ts'
import { createDigest, type Digest } from './digest.ts'
import { createMigrationsTable, migrate } from './migrate.ts'
import { migrations } from './migrations/all.ts'
import { findSeal, removeSeal, sealId, setSeal } from './seal.ts'
import { number, text } from './sql.ts'
import { eachPage, eachPageByCursor, insertOf, listTables, quoted, type Table } from './tables.ts'

/** One fact on both sides. */
export interface Compared {
  readonly what: string
  readonly source: string
  readonly target: string
}

export interface MoveOptions {
  readonly source: Database
  readonly target: Database
  /** The target's address without a password, for the message of a server that is started on the source. */
  readonly targetName: string
  /** Called when the rows are there, before they are compared. Its facts are compared, too. */
  readonly moveFiles: () => Promise<readonly Compared[]>
  readonly onTable?: (name: string, rows: number) => void
}

export interface Moved {
  readonly installation: string
  /** False if an earlier call had already moved everything: then nothing was compared. */
  readonly isNew: boolean
  readonly compared: readonly Compared[]
}

/** Of these each database has its own rows. */
export const ownTables: readonly string[] = ['migrations', 'nodes', 'event_base']

/** A database that has a row in one of these was used. */
const usedTables = ['installation', 'jobs', 'events', 'keys', 'assets'] as const

/**
 * @throws {DatabaseError} `in_use` if the target has another history or the source was moved elsewhere, `failed` if the sides
 * differ: the message names how, and the source stays as it was
 */
export async function moveHistory(options: MoveOptions): Promise<Moved> {
  const { source, target, targetName, moveFiles } = options
  const installation = await prepareSource(source, targetName)
  if (await isMovedAlready(source, target, installation)) return { installation, isNew: false, compared: [] }
  await prepareTarget(target, installation)

  const tables = (await listTables(source)).filter(({ name }) => !ownTables.includes(name))
  await refuseOtherColumns(target, tables)
  await target.transaction(async (tx) => {
    await tx.run(`truncate ${tables.map(({ name }) => quoted(name)).join(', ')}`)
  })
  const digests = new Map<string, Digest>()
  for (const table of tables) {
    digests.set(table.name, await copyRows(source, target, table))
    options.onTable?.(table.name, digests.get(table.name)!.rows)
  }
  await continueIds(source, target)
  const files = await moveFiles()

  const compared = [
    ...(await compareTables(target, tables, digests)),
    ...(await compareSums(source, target)),
    ...files,
  ]
  const differing = compared.filter((one) => one.source !== one.target)
  if (differing.length > 0)
    throw new DatabaseError(
      'failed',
      `The two sides differ: ${differing.map(({ what, source: here, target: there }) => `${what} ${here} and ${there}`).join('; ')}`,
    )
  await source.transaction((tx) => setSeal(tx, { kind: 'moved', to: targetName }))
  await target.transaction(removeSeal)
  return { installation, isNew: true, compared }
}

/** Brings the source up to this version; resolves to the id of its installation. */
async function prepareSource(source: Database, targetName: string): Promise<string> {
  await createMigrationsTable(source)
  const seal = await findSeal(source)
  if (!seal) await migrate(source, migrations)
  else if (seal.kind === 'filling')
    throw new DatabaseError('sealed', 'The source itself is still receiving the history of another')
  else if (seal.to !== targetName)
    throw new DatabaseError('in_use', `The source was moved to ${seal.to}, not to ${targetName}`)
  await refuseOtherVersion(source, 'source')
  const row = await source.get('select id from installation')
  if (!row) throw new DatabaseError('failed', 'The source has no history: no server has used it yet')
  return text(row, 'id')
}

async function isMovedAlready(source: Database, target: Database, installation: string): Promise<boolean> {
  if (!(await findSeal(source))) return false
  await createMigrationsTable(target)
  if (await findSeal(target)) return false
  const hasTables = await target.get(`select to_regclass('installation') is not null as found`)
  const row = hasTables?.['found'] === 1 ? await target.get('select id from installation') : undefined
  if (row && text(row, 'id') === installation) return true
  throw new DatabaseError('in_use', 'The source was moved, and the target no longer has its history')
}

/** Creates the tables and the seal. @throws {DatabaseError} `in_use` if it has another history */
async function prepareTarget(target: Database, installation: string): Promise<void> {
  await createMigrationsTable(target)
  const seal = await findSeal(target)
  if (!seal) {
    await migrate(target, migrations)
    await target.transaction(async (tx) => {
      const used = await usedIn(tx)
      if (used !== undefined)
        throw new DatabaseError(
          'in_use',
          `The target has a history of its own (${used}), as after the start of a node: use an empty database`,
        )
      await setSeal(tx, { kind: 'filling', by: installation })
    })
  } else if (seal.kind === 'moved' || seal.by !== installation)
    throw new DatabaseError(
      'in_use',
      seal.kind === 'moved'
        ? `The history of the target was moved to ${seal.to}: use an empty database`
        : `The target is receiving the history of installation ${seal.by}, and this is ${installation}: use an empty database`,
    )
  await refuseOtherVersion(target, 'target')
}

async function usedIn(tx: Transaction): Promise<string | undefined> {
  for (const name of usedTables) {
    const { rows } = (await tx.get(`select count(*) as rows from ${name}`))!
    if (Number(rows) > 0) return `${String(rows)} rows in ${name}`
  }
  return undefined
}

/** A sealed database is not migrated, so another version must not continue what one began. */
async function refuseOtherVersion(reader: Reader, side: string): Promise<void> {
  const rows = await reader.all('select id, name from migrations where id <> $1 order by id', [sealId])
  const names = rows.map((row) => text(row, 'name'))
  if (names.join() !== migrations.map(({ name }) => name).join())
    throw new DatabaseError(
      'too_old',
      `The ${side} has tables of another version: use the version that began, or an empty database`,
    )
}

async function refuseOtherColumns(target: Database, tables: readonly Table[]): Promise<void> {
  const there = new Map((await listTables(target)).map(({ name, columns }) => [name, columns.join()]))
  const other = tables.find(({ name, columns }) => there.get(name) !== columns.join())
  if (other) throw new DatabaseError('failed', `The table ${other.name} has other columns in the target`)
}

/** Resolves to the digest of what was read. */
async function copyRows(source: Database, target: Database, table: Table): Promise<Digest> {
  const digest = createDigest(table.columns)
  await eachPage(source, table, async (rows) => {
    digest.add(rows)
    const { sql, params } = insertOf(table, rows)
    await target.transaction((tx) => tx.run(sql, params))
  })
  return digest
}

/** New ids follow all that the source ever gave, also those of rows that are gone. */
async function continueIds(source: Database, target: Database): Promise<void> {
  const given = await source.all('select name, seq from sqlite_sequence where seq > 0')
  await target.transaction(async (tx) => {
    for (const row of given)
      await tx.get(`select setval(pg_get_serial_sequence($1, 'id'), $2)`, [
        text(row, 'name'),
        number(row, 'seq'),
      ])
    const events = given.find((row) => text(row, 'name') === 'events')
    if (events) await tx.run('update event_base set base = greatest(base, $1)', [number(events, 'seq') + 1])
  })
}

async function compareTables(
  target: Database,
  tables: readonly Table[],
  digests: ReadonlyMap<string, Digest>,
): Promise<readonly Compared[]> {
  const compared: Compared[] = []
  for (const table of tables) {
    const here = digests.get(table.name)!
    let there = createDigest(table.columns)
    await eachPageByCursor(target, table, {
      begin: () => (there = createDigest(table.columns)),
      use: (rows) => there.add(rows),
    })
    const shown = ({ rows, sum }: Digest): string => `${rows} rows, digest ${sum.slice(0, 12)}`
    compared.push({ what: table.name, source: shown(here), target: shown(there) })
  }
  return compared
}

const sums = {
  'charged by attempts': 'select coalesce(sum(charged_micros), 0) as micros from attempts',
  'spent by day and client': 'select coalesce(sum(micros), 0) as micros from spendings',
  'authorised for jobs': 'select coalesce(sum(authorised_micros), 0) as micros from jobs',
} as const

async function compareSums(source: Database, target: Database): Promise<readonly Compared[]> {
  const sumIn = async (reader: Reader, sql: string): Promise<string> =>
    `${(number((await reader.get(sql))!, 'micros') / 1e6).toFixed(6)} USD`
  return Promise.all(
    Object.entries(sums).map(async ([what, sql]) => ({
      what,
      source: await sumIn(source, sql),
      target: await sumIn(target, sql),
    })),
  )
}
