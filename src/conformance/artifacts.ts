/** The suite for artifact stores. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { access, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import type { ArtifactStore } from '../artifact/artifact.ts'
import { systemHost } from '../host.ts'
import type { Case } from './case.ts'

export interface ArtifactPlace {
  /** A folder on a local disk, empty at the start of the case. A store reopened in it has its earlier content. */
  readonly directory: string
  /** The time, ms since the epoch; a case advances it. */
  readonly now: () => number
}

const hour = 3_600_000
const largeBytes = 3 << 20
/** More than one part of a multipart upload. */
const hugeBytes = (20 << 20) + 4096

/** Calls `open` once or twice in a case, and `close()` if the store has it. */
export function artifactStoreCases(
  open: (place: ArtifactPlace) => Promise<ArtifactStore & { close?(): Promise<void> }>,
): readonly Case[] {
  const inPlace = (name: string, run: (bench: Bench) => Promise<void>): Case => ({
    name,
    run: async () => {
      const bench = await openBench(open)
      try {
        await run(bench)
      } finally {
        await bench.close()
      }
    },
  })

  return [
    inPlace('moves a file into the store under its SHA-256', async ({ store, file }) => {
      const bytes = Buffer.from('some bytes')
      const path = await file(bytes)
      assert.deepEqual(await store.adopt(path), { id: idOf(bytes), size: bytes.length })
      await assert.rejects(access(path), 'the file is gone from where it was')
      const found = await store.stat(idOf(bytes))
      assert.equal(found?.size, bytes.length)
    }),

    inPlace('stores the same bytes once', async ({ store, file }) => {
      const [one, other] = [await file(Buffer.from('same')), await file(Buffer.from('same'))]
      assert.deepEqual(await store.adopt(one), await store.adopt(other))
      await assert.rejects(access(other), 'the second file is gone, too')
      assert.equal((await store.list(idOf('same').slice(0, 2))).length, 1)
    }),

    inPlace('returns the bytes, whole and in ranges', async ({ store, file }) => {
      const bytes = Buffer.from(Uint8Array.from({ length: largeBytes }, (_, index) => index % 251))
      const { id } = await store.adopt(await file(bytes))
      assert.ok(bytes.equals(await bytesOf(await store.read(id))))
      const [start, end] = [largeBytes / 2 - 1, largeBytes / 2 + 70_000]
      assert.ok(bytes.subarray(start, end + 1).equals(await bytesOf(await store.read(id, { start, end }))))
      assert.deepEqual([...(await bytesOf(await store.read(id, { start: 0, end: 0 })))], [bytes[0]])
    }),

    inPlace('keeps the bytes of a file of many megabytes', async ({ store, file }) => {
      const bytes = Buffer.alloc(hugeBytes)
      for (let at = 0; at < hugeBytes; at += 4096) bytes.writeUInt32LE(at, at)
      const { id, size } = await store.adopt(await file(bytes))
      assert.deepEqual([id, size], [idOf(bytes), hugeBytes])
      assert.equal((await store.stat(id))?.size, hugeBytes)
      assert.equal(idOf(await bytesOf(await store.read(id))), id)
      const [start, end] = [hugeBytes - 5_000_000, hugeBytes - 1]
      assert.ok(bytes.subarray(start).equals(await bytesOf(await store.read(id, { start, end }))))
    }),

    inPlace('ends a reading whose consumer stops', async ({ store, file }) => {
      const { id } = await store.adopt(await file(Buffer.alloc(largeBytes, 'x')))
      for (let times = 0; times < 20; times++)
        for await (const chunk of await store.read(id)) {
          assert.ok(chunk.length < largeBytes, 'the bytes come in chunks')
          break
        }
      assert.equal((await bytesOf(await store.read(id))).length, largeBytes)
    }),

    inPlace('returns the path of a file with the bytes, which stays as long as the folder', async (bench) => {
      const { store, file } = bench
      const { id } = await store.adopt(await file(Buffer.from('for FFmpeg')))
      const [one, other] = [await store.workspace(), await store.workspace()]
      const paths = await Promise.all([one.localPath(id), one.localPath(id), other.localPath(id)])
      await one.remove()
      assert.ok(isAbsolute(paths[2]))
      assert.equal(await readFile(paths[2], 'utf8'), 'for FFmpeg')
      await other.remove()
      assert.equal(await localText(store, id), 'for FFmpeg')
    }),

    inPlace('reports missing artifacts', async ({ store }) => {
      for (const id of ['0'.repeat(64), '../coordinator.db', '']) {
        assert.equal(await store.stat(id), undefined)
        await assert.rejects(async () => bytesOf(await store.read(id)), { code: 'missing' })
        await assert.rejects(localText(store, id), { code: 'missing' })
        assert.equal(await store.use(id), false)
      }
      assert.equal(await store.remove('0'.repeat(64), Number.MAX_SAFE_INTEGER), 0)
    }),

    inPlace('adopts files for their use, one caller at a time', async ({ store, file }) => {
      const paths = [await file(Buffer.from('one')), await file(Buffer.from('two'))]
      const steps: string[] = []
      const first = store.adoptFor(paths, async (stored) => {
        steps.push('first begins')
        await new Promise((resolve) => setImmediate(resolve))
        steps.push('first ends')
        return stored.map(({ id }) => id)
      })
      const second = store.adoptFor([await file(Buffer.from('three'))], () => {
        steps.push('second')
        return Promise.resolve()
      })
      assert.deepEqual(await first, [idOf('one'), idOf('two')])
      await second
      assert.deepEqual(steps, ['first begins', 'first ends', 'second'])
    }),

    inPlace(
      'keeps the files that it had, or that a row may reference, if the use of adopted ones fails',
      async ({ store, file }) => {
        await store.adopt(await file(Buffer.from('there')))
        const paths = [await file(Buffer.from('there')), await file(Buffer.from('new'))]
        const full = Object.assign(new Error('no room'), { code: 'disk_full' })
        await assert.rejects(
          store.adoptFor(paths, () => Promise.reject(full)),
          full,
        )
        assert.notEqual(await store.stat(idOf('there')), undefined)
        // After any other error than a full disk, a row may reference it.
        const other = store.adoptFor([await file(Buffer.from('new'))], () =>
          Promise.reject(new Error('other')),
        )
        await assert.rejects(other, { message: 'other' })
        assert.notEqual(await store.stat(idOf('new')), undefined)
      },
    ),

    inPlace('provides folders for unfinished files', async ({ store }) => {
      const [one, other] = [await store.workspace(), await store.workspace()]
      assert.ok(isAbsolute(one.directory))
      assert.notEqual(one.directory, other.directory)
      assert.deepEqual(await readdir(one.directory), [])
      await writeFile(join(one.directory, 'clip.mp4'), 'half a clip')
      await one.remove()
      await assert.rejects(stat(one.directory))
      await other.remove()
    }),

    inPlace('adopts from such a folder', async ({ store }) => {
      const { directory, remove } = await store.workspace()
      await writeFile(join(directory, 'clip.mp4'), 'a clip')
      assert.equal((await store.adopt(join(directory, 'clip.mp4'))).id, idOf('a clip'))
      await remove()
      assert.equal(String(await bytesOf(await store.read(idOf('a clip')))), 'a clip')
    }),

    inPlace('lists the artifacts with a prefix, and no others', async ({ store, file }) => {
      const texts = Array.from({ length: 20 }, (_, index) => `text ${index}`)
      for (const text of texts) await store.adopt(await file(Buffer.from(text)))
      const prefix = idOf(texts[0]!).slice(0, 2)
      const listed = (await store.list(prefix)).map(({ id }) => id)
      const wanted = texts.map(idOf).filter((id) => id.startsWith(prefix))
      assert.deepEqual(listed.toSorted(), wanted.toSorted())
    }),

    inPlace('removes unused artifacts, and returns the bytes freed', async ({ store, file, clock }) => {
      const { id } = await store.adopt(await file(Buffer.from('old')))
      assert.equal(await store.remove(id, clock.now() - hour), 0, 'it was used just now')
      clock.pass(2 * hour)
      assert.equal(await store.remove(id, clock.now() - hour), 3)
      assert.equal(await store.stat(id), undefined)
      assert.equal(await store.remove(id, clock.now()), 0)
    }),

    inPlace('keeps artifacts that were adopted or used again', async ({ store, file, clock }) => {
      const { id } = await store.adopt(await file(Buffer.from('used')))
      const uses = [
        async () => store.adopt(await file(Buffer.from('used'))),
        () => store.use(id),
        () => localText(store, id),
      ]
      for (const use of uses) {
        clock.pass(2 * hour)
        await use()
        assert.equal(await store.remove(id, clock.now() - hour), 0)
        assert.notEqual(await store.stat(id), undefined)
      }
    }),

    inPlace('keeps an artifact that is adopted during its removal', async ({ store, file, clock }) => {
      for (let round = 0; round < 30; round++) {
        await store.adopt(await file(Buffer.from('contested')))
        clock.pass(2 * hour)
        const path = await file(Buffer.from('contested'))
        const removed = store.remove(idOf('contested'), clock.now() - hour)
        for (let turn = 0; turn < round; turn++) await Promise.resolve()
        await Promise.all([removed, store.adopt(path)])
        assert.equal(String(await bytesOf(await store.read(idOf('contested')))), 'contested')
      }
    }),

    inPlace('keeps an artifact that is used during its removal', async ({ store, file, clock }) => {
      for (let round = 0; round < 30; round++) {
        const { id } = await store.adopt(await file(Buffer.from(`contested ${round}`)))
        clock.pass(2 * hour)
        const removed = store.remove(id, clock.now() - hour)
        for (let turn = 0; turn < round; turn++) await Promise.resolve()
        const [freed, isThere] = await Promise.all([removed, store.use(id)])
        assert.equal(
          (await store.stat(id)) !== undefined,
          isThere,
          'who was told that it exists can rely on it',
        )
        assert.equal(freed > 0, !isThere)
      }
    }),

    inPlace('has its content after reopening', async ({ store, file, again }) => {
      const { id } = await store.adopt(await file(Buffer.from('kept')))
      const reopened = await again()
      assert.equal(String(await bytesOf(await reopened.read(id))), 'kept')
      assert.equal(await localText(reopened, id), 'kept')
    }),
  ]
}

interface Bench {
  readonly store: ArtifactStore
  readonly clock: { now(): number; pass(ms: number): void }
  /** A finished file of these bytes. */
  file(bytes: Uint8Array): Promise<string>
  /** The store of a later process. */
  again(): Promise<ArtifactStore>
  close(): Promise<void>
}

async function openBench(open: Parameters<typeof artifactStoreCases>[0]): Promise<Bench> {
  const root = await mkdtemp(join(tmpdir(), 'artifact-case-'))
  let now = systemHost.now()
  const place = { directory: join(root, 'store'), now: () => now }
  const opened = [await open(place)]
  let files = 0
  return {
    store: opened[0]!,
    clock: { now: () => now, pass: (ms) => (now += ms) },
    async file(bytes) {
      const path = join(root, `file-${files++}`)
      await writeFile(path, bytes)
      return path
    },
    async again() {
      await opened[0]!.close?.()
      opened.push(await open(place))
      return opened[1]!
    },
    async close() {
      await opened.at(-1)!.close?.()
      await rm(root, { recursive: true, force: true })
    },
  }
}

const idOf = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

/** The text of the local file. */
async function localText(store: ArtifactStore, id: string): Promise<string> {
  const { localPath, remove } = await store.workspace()
  try {
    return await readFile(await localPath(id), 'utf8')
  } finally {
    await remove()
  }
}

const bytesOf = async (chunks: AsyncIterable<Uint8Array>): Promise<Buffer> =>
  Buffer.concat(await Array.fromAsync(chunks))
