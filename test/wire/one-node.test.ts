import { createReadStream } from 'node:fs'
import { afterEach, expect, it } from 'vitest'
import { jsonOf } from '../harness/ask.ts'
import { type Site, newSite } from './nodes.ts'

const readableBytes = (path: string): AsyncIterable<Uint8Array> => createReadStream(path)

let site: Site | undefined
afterEach(() => site?.remove())

it('runs on PostgreSQL and a shared folder', async () => {
  site = await newSite()
  const node = await site.open('one')
  expect(node.facts.database).toMatch(/^PostgreSQL, postgres@\//)
  expect(await jsonOf(node.app.request('/readyz'))).toMatchObject({ status: 'ready' })
})

it('refuses a folder that has none of the files that the other nodes have stored, such as one that is not mounted', async () => {
  site = await newSite()
  const one = await site.open('one')
  await one.takeAsset(readableBytes('sample/exterior.jpg'), {
    uploader: 'test',
    signal: new AbortController().signal,
  })
  const elsewhere = `${site.env('two')['ARTIFACTS_URL']}-elsewhere`
  await expect(site.open('two', { env: { ARTIFACTS_URL: elsewhere } })).rejects.toThrow(
    /ARTIFACTS_URL has none of the newest photographs/,
  )
  await site.open('two')
})
