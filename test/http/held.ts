import { insertAttempt } from '../../src/store/attempts.ts'
import type { AppHarness } from '../harness/app.ts'

let attempts = 0

/** Gives a scene an attempt of which nobody knows whether it was accepted. */
export async function hold(
  { database }: Pick<AppHarness, 'database'>,
  jobId: number,
  sceneId: string,
): Promise<void> {
  const id = `00000000-0000-4000-8000-${String(++attempts).padStart(12, '0')}`
  const attempt = {
    id,
    jobId,
    sceneId,
    renderer: 'local',
    model: 'local',
    costMicros: 0,
    clientId: '',
    day: '2026-11-25',
    renderKey: `held ${id}`,
    settings: null,
  }
  await database.transaction(async (tx) => {
    await insertAttempt(tx, attempt, 1)
    await tx.run(`update attempts set status = 'held' where id = $1`, [id])
  })
}
