import { afterEach, expect, it } from 'vitest'
import { jsonOf } from '../harness/ask.ts'
import { type Site, newSite } from './nodes.ts'

let site: Site | undefined
afterEach(() => site?.remove())

it('runs on PostgreSQL and a shared folder', async () => {
  site = await newSite()
  const node = await site.open('one')
  expect(node.facts.database).toMatch(/^PostgreSQL, postgres@\//)
  expect(await jsonOf(node.app.request('/readyz'))).toMatchObject({ status: 'ready' })
})
