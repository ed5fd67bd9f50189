/** How every picture is encoded, by the local renderer and in conversions: one setting, so that most clips are copied. */
import type { VideoEncoding } from './ffmpeg.ts'

export const filmEncoding = { crf: 19, preset: 'veryfast' } as const satisfies Pick<
  VideoEncoding,
  'crf' | 'preset'
>
