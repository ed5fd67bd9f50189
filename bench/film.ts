/**
 * Films of 8 and 32 scenes of 5 s, 720p24, with cross-fades, from pictures on disk to the film on disk: through the whole
 * workflow, and by one FFmpeg command that makes the same film with zoompan and xfade. Each in processes of its own, with all
 * that these start. `node bench/film.ts [scenes ...]`; Linux only: it reads `/proc`. FFMPEG: the program, `ffmpeg` by default.
 */
import { spawn } from 'node:child_process'
import { createReadStream, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { createLog, openWorkflow, readConfig } from '../src/index.ts'
import { filmEncoding } from '../src/media/encoding.ts'
import { samplePhotos } from '../src/cli/sample.ts'

const fps = 24
const sceneSeconds = 5
const fadeSeconds = 0.5
const frame = { width: 1280, height: 720 }
const zoom = 1.12
const ticksPerSecond = 100
const lookEveryMs = 100

const [kind, ...rest] = process.argv.slice(2)
if (kind === 'workflow') await makeFilm(rest[0]!, rest.slice(1))
else await compare(process.argv.slice(2).map(Number))

async function compare(counts: readonly number[]): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'film-'))
  try {
    for (const scenes of counts.length > 0 ? counts : [8, 32]) {
      const pictures = await makePictures(join(directory, `${scenes}`), scenes)
      const film = join(directory, 'film.mp4')
      const data = join(directory, 'data')
      const ours = await measured(process.execPath, [
        fileURLToPath(import.meta.url),
        'workflow',
        data,
        ...pictures,
      ])
      rmSync(data, { recursive: true })
      const theirs = await measured(process.env['FFMPEG'] ?? 'ffmpeg', ffmpegArguments(pictures, film))
      console.log(`${scenes} scenes, the workflow: ${spoken(ours)}; ${ours.said}`)
      console.log(`${scenes} scenes, one FFmpeg command: ${spoken(theirs)}`)
      console.log(
        `${scenes} scenes, ratio: wall ${(ours.wallSeconds / theirs.wallSeconds).toFixed(2)}, CPU ${(ours.cpuSeconds / theirs.cpuSeconds).toFixed(2)}`,
      )
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** Each is another one: of equal scenes only the first would be rendered. */
async function makePictures(directory: string, count: number): Promise<string[]> {
  mkdirSync(directory)
  const paths: string[] = []
  for (let index = 0; index < count; index++) {
    const path = join(directory, `${index}.jpg`)
    await sharp(samplePhotos[index % samplePhotos.length])
      .rotate()
      .modulate({ hue: 7 * index })
      .jpeg({ quality: 92 })
      .toFile(path)
    paths.push(path)
  }
  return paths
}

/** What the other process runs: a server's life for one film. */
async function makeFilm(dataDir: string, pictures: readonly string[]): Promise<void> {
  const environment = { DATA_DIR: dataDir, LOG_LEVEL: 'silent' }
  const workflow = await openWorkflow(readConfig(environment), { log: createLog({ level: 'silent' }) })
  const photos = []
  for (const path of pictures) {
    const { id } = await workflow.takeAsset(createReadStream(path))
    photos.push({ asset_id: id })
  }
  const { coordinator } = workflow
  const parameters = { photos, clip_duration: sceneSeconds, resolution: '720p', fps, transition: 'fade' }
  const job = await coordinator.createJob({ type: 'property_photos', parameters })
  const start = performance.now()
  await coordinator.approveJob(job.id)
  await workflow.waitFor(job.id)
  const seconds = (performance.now() - start) / 1000
  const own = process.cpuUsage()
  await workflow.close()
  console.log(
    `${seconds.toFixed(1)} s from approval to film, the server itself ${((own.user + own.system) / 1e6).toFixed(1)} CPU s`,
  )
}

/** The fastest that was found: its camera moves in whole pixels of the picture, and trembles. */
function ffmpegArguments(pictures: readonly string[], film: string): string[] {
  const frames = sceneSeconds * fps
  const { width, height } = frame
  const shots = pictures.map((_, index) => {
    const share = index % 2 === 0 ? `on/${frames - 1}` : `(1-on/${frames - 1})`
    return (
      `[${index}:v]scale=${2 * width}:${2 * height}:force_original_aspect_ratio=increase,crop=${2 * width}:${2 * height},` +
      `zoompan=z='1+${(zoom - 1).toFixed(2)}*${share}':x='(iw-iw/zoom)/2':y='(ih-ih/zoom)/2':d=${frames}:s=${width}x${height}:fps=${fps},` +
      `format=yuv420p,settb=1/${fps}[shot${index}]`
    )
  })
  const fades = pictures.slice(1).map((_, index) => {
    const left = index === 0 ? '[shot0]' : `[film${index}]`
    const offset = (index + 1) * (sceneSeconds - fadeSeconds)
    return `${left}[shot${index + 1}]xfade=transition=fade:duration=${fadeSeconds}:offset=${offset}[film${index + 1}]`
  })
  const inputs = pictures.map((path) => `-i ${path}`).join(' ')
  const { preset, crf } = filmEncoding
  return [
    ...`-hide_banner -loglevel error -y ${inputs} -f lavfi -i anullsrc=r=48000:cl=stereo -filter_complex`.split(
      ' ',
    ),
    [...shots, ...fades].join(';'),
    ...`-map [film${pictures.length - 1}] -map ${pictures.length}:a -shortest`.split(' '),
    ...`-c:v libx264 -preset ${preset} -crf ${crf} -r ${fps} -c:a aac -b:a 192k -movflags +faststart`.split(
      ' ',
    ),
    film,
  ]
}

interface Measured {
  readonly wallSeconds: number
  /** Of the process and of all that it started. */
  readonly cpuSeconds: number
  /** The most that all of them held at one moment. */
  readonly peakBytes: number
  /** How many processes it started. */
  readonly started: number
  readonly said: string
}

async function measured(program: string, words: readonly string[]): Promise<Measured> {
  const cpuBefore = childrenCpu()
  const start = performance.now()
  const child = spawn(program, words, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'] },
  })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
  const seen = new Set<number>()
  let peakBytes = 0
  const looking = setInterval(() => {
    const pids = familyOf(child.pid!)
    for (const pid of pids) seen.add(pid)
    peakBytes = Math.max(
      peakBytes,
      pids.reduce((sum, pid) => sum + residentOf(pid), 0),
    )
  }, lookEveryMs)
  const code = await new Promise((resolve) => child.once('close', resolve))
  clearInterval(looking)
  if (code !== 0) throw new Error(`${program} ended with ${String(code)}`)
  return {
    wallSeconds: (performance.now() - start) / 1000,
    cpuSeconds: childrenCpu() - cpuBefore,
    peakBytes,
    started: seen.size - 1,
    said: said.trim(),
  }
}

function spoken({ wallSeconds, cpuSeconds, peakBytes, started }: Measured): string {
  return `${wallSeconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} CPU s, at most ${(peakBytes / 1e6).toFixed(0)} MB, ${started} processes started`
}

/** CPU seconds, in user and system mode, of this process's children that have ended, and of theirs. */
function childrenCpu(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[13]) + Number(fields[14])) / ticksPerSecond
}

function familyOf(pid: number): number[] {
  const children = unlessGone([], () =>
    readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    ),
  )
  return [pid, ...children.flatMap(familyOf)]
}

/** What several of them share, such as the pages of a library, counts once. */
function residentOf(pid: number): number {
  const [, kilobytes] = /^Pss:\s+(\d+) kB$/m.exec(
    unlessGone('', () => readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')),
  ) ?? [undefined, 0]
  return Number(kilobytes) * 1024
}

function unlessGone<T>(otherwise: T, read: () => T): T {
  try {
    return read()
  } catch {
    return otherwise
  }
}
