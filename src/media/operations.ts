/**
 * The operations of a media process, by name. The server imports only this file's types, because its imports contain native
 * decoders and parsers. Each part is loaded when first needed: a process that never reads a picture loads no picture decoder.
 */
import type { CanonicalClip, ClipRequest } from './canonical.ts'
import type { Ffmpeg, MediaJob } from './ffmpeg.ts'
import type { Film, FilmRequest } from './film.ts'
import type { FilmFormat, FilmFormatRequest } from './film-format.ts'
import type {
  ImageInspection,
  MasterImage,
  MasterRequest,
  ReadImageRequest,
  RefusedImage,
  ShapeRequest,
} from './image.ts'
import type { ClipFault, ClipSeen, VerifyRequest } from './probe.ts'
import type { SeamRequest } from './seam.ts'
import type { ThumbnailRequest } from './thumbnail.ts'
import type { DrawnTitle, DrawTitleRequest } from './title.ts'

/** A request without what the process itself adds. */
type Unbound<Request> = Omit<Request, 'media' | 'limits'>

/** The limits are enforced from outside; code in this process passes them on without reading them. */
const unread = { wallMs: Infinity, stallMs: Infinity, memoryBytes: Infinity }

const within = <Request>(media: Ffmpeg, request: Request) => ({ ...request, media, limits: unread })

export const operations = {
  describe: (media: Ffmpeg, _request: object): Promise<string> => media.describe(),

  run: (media: Ffmpeg, job: MediaJob) => media.run(job),

  readImage: async (_media: Ffmpeg, request: ReadImageRequest): Promise<ImageInspection> =>
    (await import('./image.ts')).readImage(request),

  masterImage: async (_media: Ffmpeg, request: MasterRequest): Promise<MasterImage | RefusedImage> =>
    (await import('./image.ts')).masterImage(request),

  shapeImage: async (_media: Ffmpeg, request: ShapeRequest): Promise<void> =>
    (await import('./image.ts')).shapeImage(request),

  drawTitle: async (_media: Ffmpeg, request: DrawTitleRequest): Promise<DrawnTitle> =>
    (await import('./title.ts')).drawTitle(request),

  verifyClip: async (
    media: Ffmpeg,
    request: Unbound<VerifyRequest>,
  ): Promise<{ readonly ok: true; readonly decodedFrames: number; readonly seen: ClipSeen } | ClipFault> => {
    const verdict = await (await import('./probe.ts')).verifyClip(within(media, request))
    // Its packets stay in this process.
    return verdict.ok ? { ok: true, decodedFrames: verdict.decodedFrames, seen: verdict.clip.seen } : verdict
  },

  canonicalClip: async (
    media: Ffmpeg,
    request: Unbound<ClipRequest>,
  ): Promise<{ readonly ok: true; readonly clip: CanonicalClip } | ClipFault> =>
    (await import('./canonical.ts')).canonicalClip(within(media, request)),

  makeSeam: async (media: Ffmpeg, request: Unbound<SeamRequest>) =>
    (await import('./seam.ts')).makeSeam(within(media, request)),

  makeFilm: async (_media: Ffmpeg, request: FilmRequest): Promise<Film> =>
    (await import('./film.ts')).makeFilm(request),

  makeThumbnail: async (media: Ffmpeg, request: Unbound<ThumbnailRequest>): Promise<void> =>
    (await import('./thumbnail.ts')).makeThumbnail(within(media, request)),

  prepareFilmFormat: async (media: Ffmpeg, request: Unbound<FilmFormatRequest>): Promise<FilmFormat> =>
    (await import('./film-format.ts')).prepareFilmFormat(within(media, request)),
}

export type Operations = typeof operations
export type OperationName = keyof Operations
