/** Serves the page for people: the files that `npm run build:page` makes, from memory. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { type Endpoint, type Route, unlisted } from './endpoint.ts'

/** It runs its own files alone, and speaks with this server alone. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "media-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** Beside this program, in a clone and in the package. */
const folder = fileURLToPath(new URL('../../../page/dist', import.meta.url))

interface PageFile {
  readonly type: string
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly zipped: Uint8Array<ArrayBuffer>
  readonly etag: string
}

function readPage(): ReadonlyMap<string, PageFile> | undefined {
  if (!existsSync(join(folder, 'index.html'))) return undefined
  const files = new Map<string, PageFile>()
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const type = types[extname(entry.name)]
    if (!entry.isFile() || type === undefined) continue
    const path = join(entry.parentPath, entry.name)
    const bytes = Uint8Array.from(readFileSync(path))
    const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
    const name = path.slice(folder.length + 1).replaceAll('\\', '/')
    files.set(name, { type, bytes, zipped: Uint8Array.from(gzipSync(bytes, { level: 9 })), etag })
  }
  return files
}

/** Addresses that show the page, with the source of what it loads later there; it knows by itself what to show. */
const addresses: readonly (readonly [route: Route, source?: string])[] = [
  ['GET /'],
  ['GET /jobs', 'src/pages/jobs.tsx'],
  ['GET /jobs/{id}', 'src/pages/job.tsx'],
  ['GET /new', 'src/pages/new-film.tsx'],
  ['GET /overview', 'src/pages/overview.tsx'],
  ['GET /settings', 'src/pages/settings.tsx'],
  ['GET /settings/{part}', 'src/pages/settings.tsx'],
]

/** A proxy that packs an answer itself makes its validator a weak one. */
const isKnown = ({ req }: Context, { etag }: PageFile): boolean =>
  (req.header('if-none-match') ?? '').split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)

/** What `vite build` writes about each source. */
const manifestSchema = z.record(
  z.string(),
  z.object({ file: z.string(), imports: z.array(z.string()).optional() }),
)

/** The files that a source needs besides those that `index.html` loads, which the browser may fetch at once. */
function readHints(): (source: string) => string {
  const manifest = manifestSchema.parse(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')))
  const filesFor = (source: string, found = new Set<string>()): ReadonlySet<string> => {
    const entry = manifest[source]
    if (!entry || found.has(entry.file)) return found
    found.add(entry.file)
    for (const needed of entry.imports ?? []) filesFor(needed, found)
    return found
  }
  const first = filesFor('index.html')
  return (source) =>
    [...filesFor(source)]
      .filter((file) => !first.has(file))
      .map((file) => `</page/${file}>; rel=modulepreload`)
      .join(', ')
}

export interface Page {
  readonly endpoints: readonly Endpoint[]
  /** Whether a person asks for an address that nothing else serves: the page then says that nothing is there. */
  isFor(c: Context): boolean
  /** The page, with 404. */
  nothingHere(c: Context): Response
}

/** Without a built page, `/` leads to the API's reference. */
export function createPage(): Page {
  let files: ReadonlyMap<string, PageFile> | undefined
  let hintsFor: ((source: string) => string) | undefined
  const fileAt = (name: string): PageFile | undefined => (files ??= readPage())?.get(name)

  const send = (c: Context, file: PageFile, caching: string, status: 200 | 404 = 200): Response => {
    c.header('content-security-policy', policy)
    c.header('cache-control', caching)
    c.header('vary', 'accept-encoding')
    if (status === 200) c.header('etag', file.etag)
    if (status === 200 && isKnown(c, file)) return c.body(null, 304)
    c.header('content-type', file.type)
    const takesGzip = /\bgzip\b/.test(c.req.header('accept-encoding') ?? '')
    if (takesGzip) c.header('content-encoding', 'gzip')
    return c.body(takesGzip ? file.zipped : file.bytes, status)
  }

  const page = (c: Context, source: string | undefined): Response => {
    const file = fileAt('index.html')
    if (!file) return c.redirect('/docs')
    const hints = source === undefined ? '' : (hintsFor ??= readHints())(source)
    if (hints !== '') c.header('link', hints)
    return send(c, file, 'no-cache')
  }

  const endpoints = [
    ...addresses.map(([route, source]) =>
      unlisted({ route, access: 'open', handle: (c) => page(c, source) }),
    ),
    ...(['GET /page/{name}', 'GET /page/assets/{name}'] as const).map((route) =>
      unlisted({
        route,
        access: 'open',
        handle: (c) => {
          const name = c.req.path.slice('/page/'.length)
          const file = fileAt(name)
          if (!file || name === 'index.html') return c.notFound()
          // The names of built files hold a hash of their bytes.
          const isHashed = name.startsWith('assets/')
          return send(c, file, isHashed ? 'public, max-age=31536000, immutable' : 'no-cache')
        },
      }),
    ),
  ]
  return {
    endpoints,
    isFor: ({ req }) =>
      (req.method === 'GET' || req.method === 'HEAD') &&
      /\btext\/html\b/i.test(req.header('accept') ?? '') &&
      !/^\/(?:api|page)(?:\/|$)/.test(req.path) &&
      fileAt('index.html') !== undefined,
    nothingHere: (c) => send(c, fileAt('index.html')!, 'no-cache', 404),
  }
}
