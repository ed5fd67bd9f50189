import { afterEach, expect, it } from 'vitest'
import { type Site, newSite } from './nodes.ts'

let site: Site | undefined
afterEach(() => site?.remove())

it('runs on PostgreSQL and a shared folder', async () => {
  site = await newSite()
  const node = await site.open('one')
  expect(node.facts.database).toMatch(/^PostgreSQL, postgres@\//)
  const answer = await node.app.request('/readyz', { headers: { host: '127.0.0.1' } })
  expect(await answer.json()).toMatchObject({ status: 'ready' })
})
