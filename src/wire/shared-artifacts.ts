/** Artifacts that several nodes share: a folder that all of them mount, or a bucket. */
import { access, constants } from 'node:fs/promises'
import { join } from 'node:path'
import { openSharedArtifacts as openSharedFolder } from '../artifact/shared.ts'
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
  return needing('ARTIFACTS_URL', s3Packages, async () => {
    const { openS3Artifacts } = await import('../artifact/s3.ts')
    return openS3Artifacts({ ...artifacts, scratch }, host)
  })
}

const s3Packages = ['@aws-sdk/client-s3', '@aws-sdk/lib-storage']

/** Whether they can be reached, for `doctor`: resolves to a short description, rejects with the problem. */
export async function checkSharedArtifacts(artifacts: ArtifactsConfig, signal: AbortSignal): Promise<string> {
  if (artifacts.kind === 's3')
    return needing('ARTIFACTS_URL', s3Packages, async () => {
      const { checkS3 } = await import('../artifact/s3.ts')
      return checkS3(artifacts, signal)
    })
  await access(artifacts.directory, constants.W_OK)
  return `A shared folder, ${artifacts.directory}`
}
