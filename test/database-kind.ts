/** Which database the tests of this vitest project run on: vitest.config.ts has a project for each. */
export type DatabaseKind = 'sqlite' | 'postgres'

export const databaseKind: DatabaseKind = process.env['TEST_DATABASE'] === 'postgres' ? 'postgres' : 'sqlite'

/** For what is true of SQLite alone: its files, its locks, its single writer, the commits that transactions share. */
export const onSqlite = databaseKind === 'sqlite'
