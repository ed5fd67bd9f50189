/** A program that answers as FFmpeg does, and then does what a test wants instead of the work. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Shell: `$output` is the file it was asked for. */
export interface FakeFfmpeg {
  readonly path: string
  /** What it does from now on; the shell ends with its last command's exit code. */
  behave(shell: string): void
  /** The processes it was run as, first to last, but for those that were only asked what they are. */
  runs(): readonly number[]
}

export function createFakeFfmpeg(directory: string): FakeFfmpeg {
  const path = join(directory, 'ffmpeg')
  const behaviour = `${path}.behaviour`
  const log = `${path}.runs`
  writeFileSync(log, '')
  writeFileSync(behaviour, 'exit 0')
  writeFileSync(
    path,
    `#!/bin/sh
case "$*" in
  *-version*) echo 'ffmpeg version 7.1-fake Copyright'; exit 0 ;;
  *-encoders*) echo ' V....D libx264 x'; echo ' A....D aac x'; echo ' VFS..D mjpeg x'; exit 0 ;;
esac
for output; do :; done
output="\${output#file:}"
echo $$ >> '${log}'
. '${behaviour}'
`,
  )
  chmodSync(path, 0o755)
  return {
    path,
    behave: (shell) => writeFileSync(behaviour, `${shell}\n`),
    runs: () => readFileSync(log, 'utf8').split('\n').filter(Boolean).map(Number),
  }
}

/** Ignores every signal that can be ignored. */
export const hanging = `trap '' TERM INT HUP; echo 'Opening the picture' >&2; while :; do sleep 1; done`
