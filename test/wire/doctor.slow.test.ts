/** What `doctor` finds out about a node, and what a node refuses at its start. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readdir } from 'node:fs/promises'
import { examine } from '../../src/cli/checkup/examine.ts'
import { type TestBuckets, openTestBuckets } from '../artifact/s3-bucket.ts'
import { type Site, newSite } from './nodes.ts'

let buckets: TestBuckets
let site: Site
beforeAll(async () => {
  buckets = await openTestBuckets()
  site = await newSite()
})
afterAll(async () => {
  await site.remove()
  await buckets.close()
})

const lookAt = async (env: Record<string, string>) => {
  const found = await Array.fromAsync(examine({ env }))
  const of = (check: string) => found.find((finding) => finding.check === check)
  return { of, text: JSON.stringify(found) }
}

it('finds the database empty, then up to date, and the files within reach', async () => {
  const before = await lookAt(site.env('one'))
  expect(before.of('Database')).toMatchObject({ state: 'ok' })
  expect(before.of('Database')?.found).toMatch(/^PostgreSQL, .* answers, \d+ steps behind/)
  expect(await readdir(site.folder)).toEqual([])
  const node = await site.open('one')
  node.listensOn('http://127.0.0.1:9')
  const other = await lookAt(site.env('other'))
  expect(other.of('Database')?.found).toMatch(/answers, and up to date$/)
  expect(other.of('Artifacts')).toMatchObject({ state: 'ok', found: expect.stringContaining('/shared') })
  // The node of this folder does not answer.
  expect((await lookAt(site.env('one'))).of('Database')).toMatchObject({ state: 'problem' })
  expect((await node.ask('GET', '/nodes')).body.nodes).toHaveLength(1)
})

it('reaches a bucket, or says what is wrong with it', async () => {
  const { bucket, prefix, region, endpoint, credentials } = await buckets.create()
  const env = {
    ...site.env('another'),
    ARTIFACTS_URL: `s3://${bucket}/${prefix}`,
    AWS_REGION: region,
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  }
  expect((await lookAt(env)).of('Artifacts')).toMatchObject({
    state: 'ok',
    found: expect.stringMatching(/^S3, /),
  })
  const refused = await lookAt({ ...env, AWS_SECRET_ACCESS_KEY: 'guessed-secret' })
  expect(refused.of('Artifacts')).toMatchObject({ state: 'problem' })
  expect(refused.of('Artifacts')?.found).toContain('check its credentials and rights')
  expect(refused.text).not.toContain('guessed-secret')
  const absent = await lookAt({ ...env, ARTIFACTS_URL: 's3://no-such-bucket/films' })
  expect(absent.of('Artifacts')?.found).toBe('the bucket no-such-bucket does not exist')
})

it('says that PostgreSQL cannot be reached, without its password', async () => {
  const { of, text } = await lookAt({
    ...site.env('another'),
    DATABASE_URL: 'postgres://films:open-sesame@127.0.0.1:9/films',
  })
  expect(of('Database')).toMatchObject({ state: 'problem' })
  expect(of('Database')?.to_do).toMatch(/^Check DATABASE_URL/)
  expect(text).not.toContain('open-sesame')
})

it('a second node in the same folder is refused: each empties its own at its start', async () => {
  await site.open('twin')
  await expect(site.open('twin')).rejects.toMatchObject({ code: 'in_use' })
})
