/** An asset: an input photograph, as it was uploaded and as FFmpeg gets it. */

export interface Asset {
  /** SHA-256 of the uploaded bytes: the same bytes are the same asset. */
  readonly id: string
  /** Told by the content, never by a name: image/jpeg, image/png, image/webp, image/avif or image/heic. */
  readonly contentType: string
  /** Pixels of the upright picture. */
  readonly width: number
  readonly height: number
  /** Bytes as uploaded. */
  readonly size: number
  /** The artifact FFmpeg gets: upright, sRGB, 8 bit, without alpha. */
  readonly master: string
  readonly insertedAt: number
}
