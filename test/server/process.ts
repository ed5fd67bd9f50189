/** The real server, as an operator starts it: its own process, on a folder that outlives it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import sharp from 'sharp'
import { machineEnvironment } from '../environment.ts'

export interface ServerProcess {
  readonly url: string
  readonly pid: number
  /** All lines logged so far. */
  readonly lines: readonly string[]
  /** What it wrote to standard error so far. */
  said(): string
  /** How it ended: an exit code or a signal. */
  readonly ended: Promise<number | string>
  kill(signal: NodeJS.Signals): Promise<number | string>
}

export const mainPath = new URL('../../src/main.ts', import.meta.url).pathname

export interface LaunchedServer extends Omit<ServerProcess, 'url'> {
  /** Resolves to its address when it listens; rejects with what it said where it ends before. */
  readonly listening: Promise<string>
}

/** Resolves when it listens; rejects with what it said where it ends before. */
export async function startServer(
  dataDir: string,
  env: Readonly<Record<string, string>> = {},
  program = mainPath,
): Promise<ServerProcess> {
  const launched = launchServer(dataDir, env, program)
  return { ...launched, url: await launched.listening }
}

export function launchServer(
  dataDir: string,
  env: Readonly<Record<string, string>> = {},
  program = mainPath,
): LaunchedServer {
  const child: ChildProcess = spawn(process.execPath, [program], {
    env: {
      ...machineEnvironment,
      PORT: '0',
      HOST: '127.0.0.1',
      DATA_DIR: dataDir,
      LOG_LEVEL: 'info',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const lines: string[] = []
  let said = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => lines.push(...text.trim().split('\n')))
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text))
  const ended = once(child, 'exit').then(([code, signal]) => (signal ?? code) as number | string)
  const listening = Promise.race([
    new Promise<string>((resolve) =>
      child.once('message', (message) => resolve((message as { url: string }).url)),
    ),
    ended.then((end) => {
      throw new Error(`the server ended (${end}): ${said}`)
    }),
  ])
  return {
    listening,
    pid: child.pid!,
    lines,
    said: () => said,
    ended,
    kill: (signal) => {
      child.kill(signal)
      return ended
    },
  }
}

export interface Answer {
  readonly status: number
  readonly body: any
}

export async function ask(
  server: Pick<ServerProcess, 'url'>,
  method: string,
  path: string,
  body?: object,
): Promise<Answer> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    ...(body ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {}),
  })
  return { status: response.status, body: JSON.parse(await response.text()) }
}

/** A picture with something to see, of its own colour. */
export const picture = (hue: number): Promise<Buffer> =>
  sharp(
    Buffer.from(
      `<svg xmlns="http://www.w3.org/2000/svg" width="320" height="240">
        <rect width="320" height="240" fill="hsl(${hue} 60% 40%)"/>
        <circle cx="${60 + (hue % 200)}" cy="120" r="50" fill="white"/>
      </svg>`,
    ),
  )
    .jpeg()
    .toBuffer()

export async function upload(server: ServerProcess, bytes: Uint8Array, type = 'image/jpeg'): Promise<string> {
  const response = await fetch(`${server.url}/api/v3/assets`, {
    method: 'POST',
    body: new Uint8Array(bytes),
    headers: { 'content-type': type },
  })
  const answer = JSON.parse(await response.text())
  if (response.status !== 201) throw new Error(JSON.stringify(answer))
  return answer.id
}

/** A small job whose scenes cross-fade: `scenes` pictures, each a second long. */
export async function createJob(
  server: ServerProcess,
  scenes: number,
  parameters: object = {},
): Promise<number> {
  const photos = []
  for (let index = 0; index < scenes; index++)
    photos.push({ asset_id: await upload(server, await picture(index * 40)), room: `room ${index}` })
  const { status, body } = await ask(server, 'POST', '/api/v3/jobs', {
    type: 'property_photos',
    parameters: { photos, clip_duration: 1, resolution: '360p', ...parameters },
  })
  if (status !== 201) throw new Error(JSON.stringify(body))
  return body.job_id
}

/** Asks for the job again and again until `reached`; the test's own guard is the deadline. */
export async function jobUntil(
  server: ServerProcess,
  jobId: number,
  reached: (job: any, scenes: any[]) => boolean,
): Promise<{ job: any; scenes: any[] }> {
  for (;;) {
    const { body: job } = await ask(server, 'GET', `/api/v3/jobs/${jobId}`)
    const { body } = await ask(server, 'GET', `/api/v3/jobs/${jobId}/scenes`)
    if (reached(job, body.scenes)) return { job, scenes: body.scenes }
    if (job.status === 'failed') throw new Error(`job ${jobId} failed: ${JSON.stringify(job.error)}`)
    await setTimeout(20)
  }
}
