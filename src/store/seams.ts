import type { Transition } from '../job/scene.ts'
import type { Reader, Transaction } from './database.ts'
import { text } from './sql.ts'

/** Everything that the bytes of a cross-fade between two clips depend on. */
export interface SeamKey {
  readonly leftClip: string
  readonly rightClip: string
  readonly transition: Transition
  readonly overlapFrames: number
  /** Offset of the seam's start within a sound packet of the film: 0 to 1023 samples. */
  readonly soundPhase: number
}

const valuesOf = (key: SeamKey) =>
  [key.leftClip, key.rightClip, key.transition, key.overlapFrames, key.soundPhase] as const

/** Artifact id of the seam, if it exists. */
export async function findSeam(reader: Reader, key: SeamKey): Promise<string | undefined> {
  const row = await reader.get(
    `select artifact from seams
     where left_clip = $1 and right_clip = $2 and transition = $3 and overlap_frames = $4 and sound_phase = $5`,
    valuesOf(key),
  )
  return row && text(row, 'artifact')
}

export const insertSeam = (tx: Transaction, key: SeamKey, artifact: string, now: number): Promise<number> =>
  tx.run(
    `insert into seams (left_clip, right_clip, transition, overlap_frames, sound_phase, artifact, inserted_at)
     values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`,
    [...valuesOf(key), artifact, now],
  )
