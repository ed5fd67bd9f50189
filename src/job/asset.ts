/** An asset: an input photograph, as uploaded and as FFmpeg receives it. */

export interface Asset {
  /** SHA-256 of the uploaded bytes: the same bytes are the same asset. */
  readonly id: string
  /** Detected from the content, never from a name: image/jpeg, image/png, image/webp, image/avif or image/heic. */
  readonly contentType: string
  /** Pixels of the upright picture. */
  readonly width: number
  readonly height: number
  /** Bytes as uploaded. */
  readonly size: number
  /** The artifact that FFmpeg receives: upright, sRGB, 8 bit, without alpha. */
  readonly master: string
  readonly insertedAt: number
}
