/** A node that is stopped just before it removes an artifact, while another comes to rely on the same bytes. */
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openBucket } from '../../src/artifact/bucket.ts'
import { createNotes } from '../../src/artifact/notes.ts'
import { systemHost } from '../../src/host.ts'
import { type TestBuckets, openTestBuckets } from './s3-bucket.ts'

let buckets: TestBuckets
let folder: string
beforeAll(async () => {
  buckets = await openTestBuckets()
  folder = await mkdtemp(join(tmpdir(), 'ghost-'))
})
afterAll(async () => {
  await buckets.close()
  await rm(folder, { recursive: true, force: true })
})

const minute = 60_000

it.each([
  ['is stopped for half an hour removes nothing that another relies on since', 30],
  ['is not stopped removes what nobody has used', 0],
])('a node that %s', async (_, minutes) => {
  const bucket = await openBucket(await buckets.create())
  try {
    const path = join(folder, 'clip')
    await writeFile(path, 'clip')
    const id = createHash('sha256').update('clip').digest('hex')
    const key = `artifacts/${id.slice(0, 2)}/${id}`
    await bucket.upload(key, { path, size: 4, sha256: id })
    let now = systemHost.now()
    const host = { ...systemHost, now: () => now }
    const isThere = async (): Promise<boolean> => (await bucket.head(key)) !== undefined
    const other = createNotes(bucket, host)
    const isRemoved = await createNotes(bucket, host).removing(id, now, async (mayRemove) => {
      if (minutes > 0) {
        now += minutes * minute
        expect(await other.relyOn(id, isThere)).toBe(true)
      }
      return bucket.remove(key, mayRemove)
    })
    expect([isRemoved, await isThere()]).toEqual(minutes > 0 ? [false, true] : [true, false])
    // Nobody waits for that removal any more.
    expect(await other.relyOn(id, isThere)).toBe(minutes > 0)
  } finally {
    bucket.close()
  }
})
