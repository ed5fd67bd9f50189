/** The shape of a film: how resolution, aspect ratio and frame rate become pixels and frames. */

export const resolutions = ['360p', '480p', '720p', '1080p'] as const
export type Resolution = (typeof resolutions)[number]

export const aspectRatios = ['16:9', '9:16', '4:3', '3:4', '1:1', '21:9'] as const
export type AspectRatio = (typeof aspectRatios)[number]

/** At these rates a frame is a whole number of 48 kHz samples, so sound and picture never drift. */
export const frameRates = [24, 25, 30, 60] as const
export type FrameRate = (typeof frameRates)[number]

export interface FrameFormat {
  /** Pixels, even. */
  readonly width: number
  readonly height: number
  readonly fps: number
}

const even = (pixels: number): number => Math.round(pixels / 2) * 2

/** The resolution names the short side: 720p is 1280x720, 720x1280 or 720x720. */
export function frameFormat(resolution: Resolution, aspectRatio: AspectRatio, fps: FrameRate): FrameFormat {
  const short = Number.parseInt(resolution, 10)
  const [across = 1, down = 1] = aspectRatio.split(':').map(Number)
  return across >= down
    ? { width: even((short * across) / down), height: short, fps }
    : { width: short, height: even((short * down) / across), fps }
}

/** How many frames a clip of `durationSeconds` has: at least one. */
export const framesOf = (durationSeconds: number, fps: number): number =>
  Math.max(1, Math.round(durationSeconds * fps))
