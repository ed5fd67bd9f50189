/** Artifacts that several nodes share: a folder that all of them mount, or a bucket. */
import { join } from 'node:path'
import { openSharedArtifacts as openSharedFolder } from '../artifact/shared.ts'
import type { ArtifactStore } from '../artifact/artifact.ts'
import type { ArtifactsConfig } from '../config.ts'
import type { Host } from '../host.ts'
import { needing } from './packages.ts'
import type { OpenArtifacts } from './storage.ts'

/** @throws {ConfigError} if a package is not installed */
export function openSharedArtifacts(
  artifacts: ArtifactsConfig,
  options: { /** Holds this node's unfinished files. */ readonly scratch: string; readonly host: Host },
): Promise<OpenArtifacts> {
  const { host } = options
  const scratch = join(options.scratch, 'scratch')
  if (artifacts.kind === 'folder') return openSharedFolder({ directory: artifacts.directory, scratch }, host)
  return needing('ARTIFACTS_URL', ['@aws-sdk/client-s3', '@aws-sdk/lib-storage'], async () => {
    const { openS3Artifacts } = await import('../artifact/s3.ts')
    return openS3Artifacts({ ...artifacts, scratch }, host)
  })
}

/** Whether a store has none of the files that rows name: another store, or a folder that is not mounted. One may be lost. */
export async function isAnother(
  store: Pick<ArtifactStore, 'stat'>,
  named: readonly string[],
): Promise<boolean> {
  const found = await Promise.all(named.map((id) => store.stat(id)))
  return found.length > 0 && found.every((file) => file === undefined)
}
