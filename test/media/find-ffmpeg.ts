import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The FFmpeg program of this machine: FFMPEG_PATH, or `ffmpeg` on the PATH; null where there is none. */
export function findFfmpeg(): string | null {
  const folders = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'ffmpeg'))
  const named = process.env['FFMPEG_PATH']
  return (named === undefined ? folders : [named]).find(isProgram) ?? null
}
