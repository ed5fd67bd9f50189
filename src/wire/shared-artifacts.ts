/** Artifacts that several nodes share: a folder that all of them mount, or a bucket. */
import type { ArtifactStore } from '../artifact/artifact.ts'
import { openDiskArtifacts } from '../artifact/disk.ts'
import { type ArtifactsConfig, ConfigError } from '../config.ts'
import type { Host } from '../host.ts'

export function openSharedArtifacts(
  artifacts: ArtifactsConfig,
  { host }: { /** Holds this node's unfinished files. */ readonly scratch: string; readonly host: Host },
): Promise<ArtifactStore> {
  if (artifacts.kind === 'folder') return openDiskArtifacts(artifacts.directory, host)
  throw new ConfigError('ARTIFACTS_URL: buckets are not supported yet; use file:///folder')
}
