/** What a job's scenes still cost: 0 for a scene that has paid or whose equal clip is stored; equal scenes cost once. */
import type { Scene } from '../../job/scene.ts'
import { hasUntaken } from '../../store/attempts.ts'
import type { Reader } from '../../store/database.ts'
import { findRender } from '../../store/renders.ts'

export interface Quote {
  /** Null if a price is unknown. */
  readonly micros: number | null
  /** The sum over the scenes with a known price. */
  readonly knownMicros: number
  readonly scenesToPay: number
  /** The charge of each scene, in the scenes' order. */
  readonly byScene: readonly (number | null)[]
}

/** `attemptId`: undefined for a scene that is not stored yet. */
export type QuotedScene = Pick<Scene, 'price_micros' | 'renderKey' | 'forced'> &
  Partial<Pick<Scene, 'attemptId'>>

/** Whether a scene needs no purchase. */
export const isServed = async (
  reader: Reader,
  { forced, renderKey, attemptId = null }: Omit<QuotedScene, 'price_micros'>,
): Promise<boolean> =>
  !forced &&
  ((await findRender(reader, renderKey)) !== undefined || (await hasUntaken(reader, attemptId, renderKey)))

/** A scene with its `isServed` looked up. */
export type KnownScene = QuotedScene & { readonly isServed: boolean }

export async function withServed<Quoted extends QuotedScene>(
  reader: Reader,
  scenes: readonly Quoted[],
): Promise<readonly (Quoted & KnownScene)[]> {
  const known: (Quoted & KnownScene)[] = []
  for (const scene of scenes)
    known.push({ ...scene, isServed: scene.price_micros !== 0 && (await isServed(reader, scene)) })
  return known
}

export const quoteFor = async (reader: Reader, scenes: readonly QuotedScene[]): Promise<Quote> =>
  quoteOf(await withServed(reader, scenes))

export function quoteOf(scenes: readonly KnownScene[]): Quote {
  /** Render keys that are free, or paid for by an earlier scene. */
  const had = new Set(scenes.filter((scene) => scene.isServed).map(({ renderKey }) => renderKey))
  const byScene: (number | null)[] = []
  for (const { price_micros, renderKey, forced } of scenes) {
    const isKept = price_micros === 0 || (!forced && had.has(renderKey))
    had.add(renderKey)
    byScene.push(isKept ? 0 : price_micros)
  }
  const knownMicros = byScene.reduce<number>((sum, price) => sum + (price ?? 0), 0)
  return {
    micros: byScene.includes(null) ? null : knownMicros,
    knownMicros,
    scenesToPay: byScene.filter((price) => price !== 0).length,
    byScene,
  }
}
