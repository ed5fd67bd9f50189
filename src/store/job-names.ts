/** Case-folded names of films for search, in a table of their own because scanning jobs would read their long columns. */
import { folded } from '../job/folded.ts'
import type { Transaction } from './database.ts'
import { number, text } from './sql.ts'

export const insertName = (tx: Transaction, jobId: number, videoName: string): Promise<void> =>
  tx.write('insert into job_names (job_id, folded) values ($1, $2)', [jobId, folded(videoName)])

export const setName = (tx: Transaction, jobId: number, videoName: string): Promise<void> =>
  tx.write('update job_names set folded = $2 where job_id = $1', [jobId, folded(videoName)])

const atOnce = 1000

/** Adds the names of all jobs from before this table existed. */
export async function nameAll(tx: Transaction): Promise<void> {
  for (let after = 0; ;) {
    const rows = await tx.all('select id, video_name from jobs where id > $1 order by id limit $2', [
      after,
      atOnce,
    ])
    for (const row of rows) await insertName(tx, number(row, 'id'), text(row, 'video_name'))
    const last = rows.at(-1)
    if (!last) return
    after = number(last, 'id')
  }
}
