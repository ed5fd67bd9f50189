/** What doctor finds in the database and files of several nodes. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import sharp from 'sharp'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type TestBuckets, openTestBuckets } from '../artifact/s3-bucket.ts'
import { testCredentials } from '../artifact/s3-server.ts'
import { chunksOf } from '../harness/ask.ts'
import { type Site, newSite } from '../wire/nodes.ts'
import { run } from './command.ts'

let site: Site
let buckets: TestBuckets | undefined
beforeEach(async () => {
  site = await newSite()
})
afterEach(async () => {
  await site.remove()
  await buckets?.close()
  buckets = undefined
})

async function examine(env: Readonly<Record<string, string>>) {
  const { out, err } = await run(['doctor', '--json'], { env: { ...site.env('one'), ...env } })
  const { checks } = JSON.parse(out) as {
    checks: readonly { check: string; state: string; found: string; to_do: string | null }[]
  }
  return { said: out + err, found: (name: string) => checks.find(({ check }) => check === name)! }
}

it('tells of an empty database, of one with nodes, and of a shared folder', async () => {
  const empty = await examine({})
  expect(empty.found('Database')).toMatchObject({
    // The PostgreSQL of the tests syncs nothing.
    state: expect.stringMatching(/^(?:ok|warning)$/),
    found: expect.stringMatching(
      /^PostgreSQL, .*, version \d+\S*, \d+ steps behind, which serve will make up; no node has used it; its clock, which counts, is within a second of this machine/,
    ),
  })
  const node = await site.open('two')
  const used = await examine({})
  expect(used.found('Database').found).toMatch(/, up to date; 1 node heard of now; /)
  expect(used.found('Artifacts')).toMatchObject({
    state: 'ok',
    found: expect.stringMatching(/shared: stored, read and removed a file in \d+ ms$/),
  })

  const image = sharp({ create: { width: 4, height: 3, channels: 3, background: '#123456' } })
  await node.takeAsset(chunksOf(await image.png().toBuffer()))
  expect((await examine({})).found('Artifacts')).toMatchObject({ state: 'ok' })
  const elsewhere = pathToFileURL(join(site.folder, 'not-mounted')).href
  expect((await examine({ ARTIFACTS_URL: elsewhere })).found('Artifacts')).toMatchObject({
    state: 'problem',
    found: expect.stringContaining('none of the newest photographs'),
    to_do: expect.stringContaining('Mount the folder'),
  })
})

it('tells of a bucket, and shows no secret of what cannot be reached', async () => {
  buckets = await openTestBuckets()
  const { bucket, endpoint } = await buckets.create()
  const s3 = {
    ARTIFACTS_URL: `s3://${bucket}/films`,
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: testCredentials.accessKeyId,
  }
  const well = await examine({ ...s3, AWS_SECRET_ACCESS_KEY: testCredentials.secretAccessKey })
  expect(well.found('Artifacts')).toMatchObject({
    state: 'ok',
    found: expect.stringMatching(/^s3:\/\/.*\/films\/: stored, read and removed a file in \d+ ms$/),
  })
  const ill = await examine({
    ...s3,
    AWS_SECRET_ACCESS_KEY: 'wrong-and-secret',
    DATABASE_URL: 'postgres://me:hunter2secret@127.0.0.1:1/nothing',
  })
  expect(ill.found('Artifacts')).toMatchObject({ state: 'problem', to_do: expect.stringContaining('rights') })
  expect(ill.found('Database')).toMatchObject({
    state: 'problem',
    found: expect.stringMatching(/^PostgreSQL, me@127\.0\.0\.1:1\/nothing: PostgreSQL can't be reached/),
  })
  expect(ill.said).not.toMatch(/hunter2secret|wrong-and-secret/)
})
