/** What the commands take, how it is checked, and how it is said with --help. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { usageError } from './command-error.ts'

type Options = NonNullable<ParseArgsConfig['options']>

/** parseArgs, with its errors in a person's words. */
export function readOptions<const Given extends Options>(args: readonly string[], options: Given) {
  try {
    return parseArgs({
      args: [...args],
      options: { ...options, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw usageError(message.split('. ')[0]!)
  }
}

/** How a film is made: for demo, render and submit. */
export const filmOptions = {
  type: { type: 'string' },
  title: { type: 'string' },
  resolution: { type: 'string' },
  fps: { type: 'string' },
  'aspect-ratio': { type: 'string' },
  'clip-duration': { type: 'string' },
  transition: { type: 'string' },
  fit: { type: 'string' },
} as const

export type FilmOptions = { readonly [name in keyof typeof filmOptions]?: string | undefined }

/** The request's parameters that options stand for; what they may be is the server's to say. */
export function filmParameters(options: FilmOptions): Record<string, unknown> {
  const given = {
    title: options.title,
    resolution: options.resolution,
    fps: numberOf('fps', options.fps),
    aspect_ratio: options['aspect-ratio'],
    clip_duration: numberOf('clip-duration', options['clip-duration']),
    transition: options.transition,
    fit: options.fit,
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (text.trim() === '' || !Number.isFinite(number))
    throw usageError(`--${name} must be a number, not "${text}"`)
  return number
}

const filmHelp = `  --title <text>           shown over the first scene
  --resolution <name>      360p, 480p, 720p (if not given) or 1080p
  --fps <number>           24 (if not given), 25, 30 or 60 frames a second
  --aspect-ratio <w:h>     16:9 (if not given), 9:16, 4:3, 3:4, 1:1 or 21:9
  --clip-duration <s>      seconds of each scene, 5 if not given
  --transition <name>      fade (if not given), slide or cut
  --fit <name>             how a picture of another shape fills the frame:
                           crop (if not given), letterbox or blur
  --type <name>            image_pairs: each picture passes into the next (two
                           and more pictures, if not given), or property_photos:
                           a scene for each picture, in the order of a visit;
                           the room is told by the file's name`

const ownHelp = `  --out <file>             where the film goes; without it the first free name
                           of film.mp4, film-2.mp4, ...
  --force                  replace the file at --out
  --yes                    approve the cost without asking
  --keep                   keep the server's data folder, and say where it is
  --json                   print only a JSON object about the film`

const remoteHelp = `  --url <address>          the server, http://127.0.0.1:4000 if not given
  --json                   print the server's answer as JSON`

export const help: Readonly<Record<string, string>> = {
  '': `Makes films from photographs.

Usage: coordinator <command> [options]

On this machine, nothing else needed:
  demo [photos...]         make a film of sample pictures, or of your own
  render <photos...>       make a film of your photographs
  serve                    run the server, until it is stopped

With a server that runs:
  submit <photos...>       ask for a film; nothing is rendered before approval
  approve <id>             let a job spend its cost
  show <id>                what is known of a job
  list                     the jobs, newest first
  watch <id>               show how far a job is, until it ends
  download <id>            fetch a job's film

coordinator <command> --help tells more.
Exit codes: 0 done, 1 failed, 2 asked for wrongly, 130 interrupted.`,
  demo: `Makes a film of sample pictures, or of your own photographs, with a server of
its own that is started and stopped along the way.

Usage: coordinator demo [photos...] [options]
       npm run demo -- [photos...] [options]

${ownHelp}
${filmHelp}`,
  render: `Makes a film of your photographs, with a server of its own that is started and
stopped along the way.

Usage: coordinator render <photos...> [options]

${ownHelp}
${filmHelp}`,
  serve: `Runs the server until SIGTERM or Ctrl-C.

Usage: coordinator serve

Environment:
  PORT, HOST               where it listens: 4000, 127.0.0.1 if not given
  DATA_DIR                 its database and files: ./data if not given
  FFMPEG_PATH              an FFmpeg program, absolute; the FFmpeg that npm
                           installed if not given
  LOCAL_MAX_CONCURRENCY    renders at once; as many as cores if not given
  SHUTDOWN_GRACE_MS        how long running work may take to end when it is
                           stopped: 5000 if not given
  LOG_LEVEL                debug, info (if not given), warn, error or silent`,
  submit: `Asks a running server for a film. It is planned and its cost told; nothing is
rendered before it is approved.

Usage: coordinator submit <photos...> [options]
       coordinator submit --file <request.json> [options]

${remoteHelp}
  --file <file>            a whole request as JSON instead; - reads stdin
  --name <text>            what the film is called
${filmHelp}`,
  approve: `Lets a pending job spend its estimated cost.

Usage: coordinator approve <id> [options]

${remoteHelp}`,
  show: `Tells what is known of a job and its scenes.

Usage: coordinator show <id> [options]

${remoteHelp}`,
  list: `Lists jobs, newest first.

Usage: coordinator list [options]

${remoteHelp}
  --status <name>          pending, approved, processing, completed, failed or
                           cancelled
  --type <name>            image_pairs or property_photos
  --limit <number>         how many, 20 if not given`,
  watch: `Shows how far a job is, until it ends. Exit code 1 if it fails.

Usage: coordinator watch <id> [options]

${remoteHelp}`,
  download: `Fetches a job's film.

Usage: coordinator download <id> [options]

${remoteHelp}
  --out <file>             where the film goes; without it the first free name
                           of film.mp4, film-2.mp4, ...
  --force                  replace the file at --out`,
}
