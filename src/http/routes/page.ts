/** Serves the page for people: the files that `npm run build:page` makes, from memory. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
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

/** Addresses that show the page; it knows by itself what to show there. */
const addresses: readonly Route[] = [
  'GET /',
  'GET /jobs',
  'GET /jobs/{id}',
  'GET /new',
  'GET /overview',
  'GET /settings',
  'GET /settings/{part}',
]

/** Without a built page, `/` leads to the API's reference. */
export function pageEndpoints(): readonly Endpoint[] {
  let files: ReadonlyMap<string, PageFile> | undefined
  const fileAt = (name: string): PageFile | undefined => (files ??= readPage())?.get(name)

  const send = (c: Context, { type, bytes, zipped, etag }: PageFile, caching: string): Response => {
    c.header('content-type', type)
    c.header('content-security-policy', policy)
    c.header('cache-control', caching)
    c.header('etag', etag)
    c.header('vary', 'accept-encoding')
    if (c.req.header('if-none-match') === etag) return c.body(null, 304)
    const takesGzip = /\bgzip\b/.test(c.req.header('accept-encoding') ?? '')
    if (takesGzip) c.header('content-encoding', 'gzip')
    return c.body(takesGzip ? zipped : bytes)
  }

  const page = (c: Context): Response => {
    const file = fileAt('index.html')
    return file ? send(c, file, 'no-cache') : c.redirect('/docs')
  }

  return [
    ...addresses.map((route) => unlisted({ route, access: 'open', handle: page })),
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
}
