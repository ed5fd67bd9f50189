import { onSqlite } from './database-kind.ts'

/** Whether this is the quick run (`vitest --mode fast`): it leaves out what repeats at length what other tests show in short. */
export const isQuick = process.env['MODE'] === 'fast'

/** Where what shows the same at length is left to the whole run on SQLite. */
export const isShort = isQuick || !onSqlite
