import { mkdir } from 'node:fs/promises'
import { describe, it } from 'vitest'
import { openDiskArtifacts } from '../../src/artifact/disk.ts'
import { artifactStoreCases } from '../../src/conformance/artifacts.ts'

describe('artifacts on a disk', () => {
  const cases = artifactStoreCases(async ({ directory, now }) => {
    await mkdir(directory, { recursive: true })
    return openDiskArtifacts(directory, { now })
  })
  for (const { name, run } of cases) it(name, run)
})
