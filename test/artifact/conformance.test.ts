import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { openDiskArtifacts } from '../../src/artifact/disk.ts'
import { openS3Artifacts } from '../../src/artifact/s3.ts'
import { openSharedArtifacts } from '../../src/artifact/shared.ts'
import { artifactStoreCases } from '../../src/conformance/artifacts.ts'
import { systemHost } from '../../src/host.ts'
import { type TestBuckets, openTestBuckets } from './s3-bucket.ts'

describe('artifacts on a disk', () => {
  const cases = artifactStoreCases(async ({ directory, now }) => {
    await mkdir(directory, { recursive: true })
    return openDiskArtifacts(directory, { now })
  })
  for (const { name, run } of cases) it(name, run)
})

describe('artifacts in a shared folder', () => {
  const cases = artifactStoreCases(({ directory, now }) =>
    openSharedArtifacts(
      { directory: join(directory, 'shared'), scratch: join(directory, 'node') },
      { ...systemHost, now },
    ),
  )
  for (const { name, run } of cases) it(name, run)
})

describe('artifacts in a bucket', () => {
  let buckets: TestBuckets
  beforeAll(async () => {
    buckets = await openTestBuckets()
  })
  afterAll(() => buckets?.close())
  /** A store that is opened again in a folder finds its bucket. */
  const places = new Map<string, ReturnType<TestBuckets['create']>>()

  const cases = artifactStoreCases(async ({ directory, now }) => {
    const place = places.get(directory) ?? buckets.create()
    places.set(directory, place)
    return openS3Artifacts({ ...(await place), scratch: directory }, { ...systemHost, now })
  })
  for (const { name, run } of cases) it(name, run)
})
