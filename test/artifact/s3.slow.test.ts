/** A bucket that is damaged, slow, out of reach or large, and this machine's copies of its objects. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ArtifactError, type ArtifactStore } from '../../src/artifact/artifact.ts'
import { createCache } from '../../src/artifact/cache.ts'
import { openS3Artifacts } from '../../src/artifact/s3.ts'
import { sha256 } from '../harness/ask.ts'
import { type Door, openDoor } from '../nodes/door.ts'
import { canMountSmallDisk, mountSmallDisk } from '../server/small-disk.ts'
import { type TestBuckets, openTestBuckets } from './s3-bucket.ts'

let buckets: TestBuckets
beforeAll(async () => {
  buckets = await openTestBuckets()
})
afterAll(() => buckets.close())

let folder: string
let door: Door
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 's3-'))
  door = await openDoor(() => Number(new URL(buckets.endpoint).port))
})
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close()
  await door.close()
  await rm(folder, { recursive: true, force: true })
})

type Place = Awaited<ReturnType<TestBuckets['create']>>
const opened: { close(): Promise<void> }[] = []

/** Each has a folder of its own; `byDoor`: on a way that the test can cut. */
async function openStore(place: Place, name: string, { byDoor = false } = {}): Promise<ArtifactStore> {
  const endpoint = byDoor ? `http://127.0.0.1:${door.port}` : place.endpoint
  const store = await openS3Artifacts({ ...place, endpoint, scratch: join(folder, name) })
  opened.push(store)
  return store
}

async function adopt(store: ArtifactStore, bytes: Uint8Array): Promise<string> {
  const { directory, remove } = await store.workspace()
  await writeFile(join(directory, 'file'), bytes)
  const { id } = await store.adopt(join(directory, 'file'))
  await remove()
  return id
}

const bytesOf = async (bytes: Promise<AsyncIterable<Uint8Array>>): Promise<Buffer> =>
  Buffer.concat(await Array.fromAsync(await bytes))
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'fine',
    (error: unknown) => (error instanceof ArtifactError ? error.code : String(error)),
  )

describe('an object with another byte than its name says', () => {
  it('is read by nobody, and replaced by the next adoption', async () => {
    const place = await buckets.create()
    const [one, other] = [await openStore(place, 'one'), await openStore(place, 'other')]
    const bytes = randomBytes(300_000)
    const id = await adopt(one, bytes)
    const flipped = Buffer.from(bytes)
    flipped[150_000]! ^= 1
    await buckets.put(place.bucket, `${place.prefix}artifacts/${id.slice(0, 2)}/${id}`, flipped)

    expect(await codeOf(bytesOf(other.read(id)))).toBe('missing')
    const workspace = await other.workspace()
    expect(await codeOf(workspace.localPath(id))).toBe('missing')
    await workspace.remove()
    // No byte of it stays on this machine.
    expect(await readdir(join(folder, 'other', 'copies'))).toEqual([])
    expect(await adopt(other, bytes)).toBe(id)
    expect(sha256(await bytesOf(one.read(id)))).toBe(id)
  })

  it('of another length is replaced, too', async () => {
    const place = await buckets.create()
    const store = await openStore(place, 'one')
    const bytes = randomBytes(10_000)
    const id = sha256(bytes)
    await buckets.put(place.bucket, `${place.prefix}artifacts/${id.slice(0, 2)}/${id}`, bytes.subarray(1))
    await adopt(store, bytes)
    expect((await store.stat(id))?.size).toBe(10_000)
  })
})

describe('a bucket that cannot be reached', () => {
  it('lets a store open, refuses by name, and serves when it is back', async () => {
    const place = await buckets.create()
    const there = await openStore(place, 'there')
    const id = await adopt(there, Buffer.from('a film'))
    door.set('cut')
    const store = await openStore(place, 'here', { byDoor: true })
    expect(await codeOf(store.stat(id))).toBe('store_unavailable')
    expect(await codeOf(store.read(id))).toBe('store_unavailable')
    expect(await codeOf(adopt(store, Buffer.from('another')))).toBe('store_unavailable')
    expect(await codeOf(store.check!(AbortSignal.timeout(2000)))).toBe('store_unavailable')
    door.set('open')
    expect((await bytesOf(store.read(id))).toString()).toBe('a film')
    expect(await adopt(store, Buffer.from('another'))).toBe(sha256(Buffer.from('another')))
    expect(await store.check!(AbortSignal.timeout(5000))).toMatch(/^S3, /)
  })

  it('in the middle of a download goes on with the next byte, and the bytes are whole', async () => {
    const place = await buckets.create()
    const store = await openStore(place, 'here', { byDoor: true })
    const bytes = randomBytes(12 << 20)
    const id = await adopt(store, bytes)
    const found: Uint8Array[] = []
    let next = 1 << 20
    let size = 0
    for await (const chunk of await store.read(id)) {
      found.push(chunk)
      size += chunk.length
      if (size > next) {
        next += 3 << 20
        door.drop()
      }
    }
    expect(sha256(Buffer.concat(found))).toBe(id)
  })

  it('in the middle of an upload leaves nothing that others see, and the file can be adopted again', async () => {
    const place = await buckets.create()
    const store = await openStore(place, 'here', { byDoor: true })
    const other = await openStore(place, 'other')
    const bytes = randomBytes(20 << 20)
    const id = sha256(bytes)
    const { directory } = await store.workspace()
    const path = join(directory, 'film')
    await writeFile(path, bytes)
    const uploading = codeOf(store.adopt(path))
    door.set('stalled')
    await new Promise((resolve) => setTimeout(resolve, 50))
    door.set('cut')
    expect(await uploading).toBe('store_unavailable')
    expect(await other.stat(id)).toBeUndefined()
    door.set('open')
    expect((await store.adopt(path)).id).toBe(id)
    expect(sha256(await bytesOf(other.read(id)))).toBe(id)
  })
})

/** The bytes that a store has requested from the server since. */
async function countingServer() {
  const { hostname, port } = new URL(buckets.endpoint)
  let sent = 0
  const { createServer } = await import('node:http')
  const server = createServer((asked, answer) => {
    const onwards = request(
      { hostname, port, method: asked.method, path: asked.url, headers: asked.headers },
      (response) => {
        answer.writeHead(response.statusCode ?? 500, response.headers)
        response.on('data', (chunk: Buffer) => (sent += chunk.length))
        response.pipe(answer)
      },
    )
    answer.on('close', () => onwards.destroy())
    onwards.on('error', () => answer.destroy())
    asked.pipe(onwards)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    endpoint: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    sent: () => sent,
    close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  }
}

it('sends a range of a large film without the rest, writes no copy, and stops with its reader', async () => {
  const place = await buckets.create()
  const id = await adopt(await openStore(place, 'one'), randomBytes(40 << 20))
  const counting = await countingServer()
  try {
    const store = await openStore({ ...place, endpoint: counting.endpoint }, 'reader')
    const part = await bytesOf(store.read(id, { start: 20 << 20, end: (20 << 20) + 99_999 }))
    expect(part.length).toBe(100_000)
    expect(counting.sent()).toBeLessThan(300_000)
    // A reader that goes away, as a player that seeks.
    for await (const chunk of await store.read(id)) {
      expect(chunk.length).toBeGreaterThan(0)
      break
    }
    expect(counting.sent()).toBeLessThan(20 << 20)
    expect(await readdir(join(folder, 'reader', 'copies'))).toEqual([])
  } finally {
    await counting.close()
  }
})

describe('the copies on this machine', () => {
  const write =
    (size: number) =>
    (path: string): Promise<void> =>
      writeFile(path, Buffer.alloc(size))
  const sizeOf = async (directory: string): Promise<number> => {
    const sizes = await Promise.all(
      (await readdir(directory)).map(async (name) => (await stat(join(directory, name))).size),
    )
    return sizes.reduce((sum, size) => sum + size, 0)
  }

  it('stay within their bound however many films there are, and keep those in use', async () => {
    const cache = createCache(folder, 1000)
    const inUse = await cache.lease('first', write(400))
    for (let film = 0; film < 50; film++) {
      const { release } = await cache.lease(`film ${film}`, write(300))
      expect((await stat(inUse.path)).size).toBe(400)
      release()
    }
    expect(await sizeOf(folder)).toBeLessThanOrEqual(1000)
    inUse.release()
  })

  it('hold a film larger than the bound while it is used, and no longer', async () => {
    const cache = createCache(folder, 1000)
    const large = await cache.lease('large', write(5000))
    expect((await readFile(large.path)).length).toBe(5000)
    large.release()
    await expect.poll(() => sizeOf(folder)).toBe(0)
  })

  it.skipIf(!canMountSmallDisk())('make room on a full disk, and say so where there is none', async () => {
    const disk = mountSmallDisk(4)
    try {
      const cache = createCache(disk.directory, Number.MAX_SAFE_INTEGER)
      const unused = await cache.lease('unused', write(2 << 20))
      unused.release()
      const used = await cache.lease('used', write(3 << 20))
      expect((await stat(used.path)).size).toBe(3 << 20)
      expect(await codeOf(cache.lease('more', write(3 << 20)))).toBe('disk_full')
      used.release()
      const more = await cache.lease('more', write(3 << 20))
      more.release()
      await truncate(more.path, 0)
    } finally {
      disk.remove()
    }
  })
})
