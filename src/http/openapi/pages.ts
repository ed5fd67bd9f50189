/** Serves the API's description, for programs and people. */
import type { Context } from 'hono'
import { type Endpoint, type Route, unlisted } from '../routes/endpoint.ts'
import { describeApi } from './document.ts'
import { referenceScript } from './reference-script.ts'
import { referenceStyle } from './reference-style.ts'
import { referencePage } from './reference.ts'

/** Loads nothing from other sites, and runs only what these files contain. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

function send(c: Context, contentType: string, text: string): Response {
  c.header('content-type', `${contentType}; charset=utf-8`)
  c.header('cache-control', 'no-cache')
  return c.body(text)
}

function sendPage(c: Context, contentType: string, text: string): Response {
  c.header('content-security-policy', policy)
  return send(c, contentType, text)
}

const open = (route: Route, handle: Endpoint['handle']): Endpoint =>
  unlisted({ route, access: 'open', handle })

export function documentPages(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  // Each is generated on its first request.
  let api: ReturnType<typeof describeApi> | undefined
  let text: string | undefined
  let page: string | undefined
  const document = () => (api ??= describeApi(endpoints))
  return [
    open('GET /api/openapi.json', (c) => send(c, 'application/json', (text ??= JSON.stringify(document())))),
    open('GET /docs', async (c) => sendPage(c, 'text/html', (page ??= await referencePage(document())))),
    open('GET /docs/reference.css', (c) => sendPage(c, 'text/css', referenceStyle)),
    open('GET /docs/reference.js', (c) => sendPage(c, 'text/javascript', referenceScript)),
  ]
}
