/** Follows a job to its end and shows its progress: moving bars on a terminal, plain lines elsewhere. */
import type { Terminal } from './terminal.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { styleText } from 'node:util'
import { createLogUpdate } from 'log-update'
import { systemHost } from '../host.ts'
import type { JobAnswer } from '../http/routes/jobs.ts'
import type { SceneAnswer, ScenesAnswer } from '../http/routes/scenes.ts'
import { finalJobStatuses } from '../job/lifecycle.ts'
import { printable } from '../printable.ts'
import type { Client } from './client.ts'
import {
  type Paint,
  type SceneView,
  type View,
  progressLines,
  renderedShare,
  sceneName,
  timeLeft,
} from './view.ts'
import { spokenDuration, spokenLeft } from './words.ts'

export function terminalOf(
  out: NodeJS.WriteStream,
  env: Readonly<Record<string, string | undefined>>,
): Terminal {
  const plain = Boolean(env['NO_COLOR'] ?? env['CI']) || env['TERM'] === 'dumb'
  const live = out.isTTY && !plain
  // Stands for ESC until a line is shown. It is random, so that no foreign text can contain it.
  const escape = `\u{fdd0}${systemHost.secret(8)}`
  const paint: Paint = (style, text) =>
    live ? styleText(style, printable(text), { validateStream: false }).replaceAll('\u001b', escape) : text
  return {
    out,
    live,
    paint,
    shown: (line) => printable(line).replaceAll(escape, '\u001b'),
    screen: () => ({ columns: out.columns ?? 80, rows: out.rows ?? 24, paint }),
  }
}

export interface Followed {
  readonly job: JobAnswer
  readonly scenes: ScenesAnswer
}

export interface Display {
  update(followed: Followed): void
  /** Ends the display; its last picture stays. */
  end(): void
}

const ended: ReadonlySet<string> = new Set(finalJobStatuses)

/** Reads the job after each of its events until it has ended, and updates the display each time. */
export async function followJob(
  client: Client,
  jobId: number,
  display: Display,
  signal: AbortSignal,
): Promise<Followed> {
  const signals = signalsOf(client, jobId)
  try {
    for (;;) {
      // Scenes first: all scenes of a job that then reads as completed are complete.
      const scenes = await client.listScenes(jobId)
      const followed = { job: await client.readJob(jobId), scenes }
      const over = ended.has(followed.job.status)
      if (over) {
        const last = { job: followed.job, scenes: await client.listScenes(jobId) }
        display.update(last)
        return last
      }
      display.update(followed)
      await signals.next(signal)
    }
  } finally {
    signals.close()
    display.end()
  }
}

/** The shortest interval between two reads, ms. */
const leastMs = 100
/** Poll interval without live events, ms. */
const pollMs = 200
/**
 * Poll interval with live events, ms: a wait's reason changes without an event, and a dead connection may
 * stay silent.
 */
const livePollMs = 2000

interface Signals {
  /** Resolves when it is time to read again. */
  next(signal: AbortSignal): Promise<void>
  close(): void
}

/** An event is only a hint to read the job again. Without events, the job is polled. */
function signalsOf(client: Client, jobId: number): Signals {
  const closed = new AbortController()
  let happened = new AbortController()
  let isLive = false
  const listen = async (): Promise<void> => {
    const events = client.watchJob(jobId, { signal: closed.signal })
    while (!(await events.next()).done) {
      isLive = true
      happened.abort()
    }
  }
  void listen()
    .catch(() => {})
    .finally(() => (isLive = false))
  return {
    async next(signal) {
      await sleep(leastMs, undefined, { signal })
      await systemHost.sleep(
        (isLive ? livePollMs : pollMs) - leastMs,
        AbortSignal.any([happened.signal, signal]),
      )
      signal.throwIfAborted()
      happened = new AbortController()
    },
    close: () => closed.abort(),
  }
}

const noDisplay: Display = { update() {}, end() {} }

export function createDisplay(
  terminal: Terminal,
  {
    fileOf = new Map(),
    silent = false,
  }: { readonly fileOf?: ReadonlyMap<string, string>; readonly silent?: boolean } = {},
): Display {
  if (silent) return noDisplay
  return terminal.live ? liveDisplay(terminal, fileOf) : plainDisplay(terminal, fileOf)
}

/** One line about the current step, where lines can be redrawn; elsewhere nothing. */
export interface Step extends Disposable {
  say(words: string): void
  /** Clears the step's line for lines that stay. */
  clear(): void
}

export function createStep(
  { out, live, shown }: Terminal,
  { silent = false }: { readonly silent?: boolean } = {},
): Step {
  if (silent || !live) return { say() {}, clear() {}, [Symbol.dispose]() {} }
  const draw = createLogUpdate(out)
  const clear = (): void => {
    draw.clear()
    draw.done()
  }
  return { say: (words) => draw(shown(`  ${words}`)), clear, [Symbol.dispose]: clear }
}

const frameMs = 80
/**
 * The share of the remaining distance that a bar moves in each frame: polls are rare, and bars should not
 * jump.
 */
const easing = 0.3

function liveDisplay(
  { out, screen, shown: shownLine }: Terminal,
  fileOf: ReadonlyMap<string, string>,
): Display {
  const draw = createLogUpdate(out)
  const begun = performance.now()
  let target: View | undefined
  let shown: View | undefined
  let left: { readonly ms: number; readonly at: number } | undefined

  const frame = (): void => {
    if (!target) return
    shown = shown ? eased(shown, target) : target
    // Between two polls, the remaining time counts down.
    const leftMs = left && Math.max(0, left.ms - (performance.now() - left.at))
    const lines = progressLines({ ...shown, leftMs, now: systemHost.now() }, screen())
    draw(lines.map(shownLine).join('\n'))
  }
  const timer = setInterval(frame, frameMs)
  // After a resize, the next picture has a different number of lines and must be drawn from scratch.
  const clear = (): void => draw.clear()
  out.on('resize', clear)

  return {
    update({ job, scenes }) {
      const share = renderedShare(scenes.scenes)
      const measured = timeLeft(share, performance.now() - begun)
      if (measured !== undefined) left = smoothed(left, measured)
      target = viewOf({ job, scenes }, fileOf)
      if (job.current_stage !== 'rendering' || !scenes.scenes.every(isTold)) left = undefined
      if (ended.has(job.status)) {
        shown = target
      }
      frame()
    },
    end() {
      clearInterval(timer)
      out.off('resize', clear)
      draw.done()
    },
  }
}

/** Blends in each new estimate partly, so that the remaining time changes smoothly and ends up right. */
function smoothed(before: { readonly ms: number; readonly at: number } | undefined, measuredMs: number) {
  const at = performance.now()
  if (!before) return { ms: measuredMs, at }
  const expected = before.ms - (at - before.at)
  return { ms: expected + (measuredMs - expected) / 6, at }
}

function viewOf({ job, scenes }: Followed, fileOf: ReadonlyMap<string, string>): View {
  return {
    scenes: scenes.scenes.map((scene, position) => viewOfScene(scene, position, fileOf)),
    share: job.progress_percentage / 100,
    stage: job.current_stage,
    leftMs: undefined,
    costs: job.costs,
    now: systemHost.now(),
  }
}

/** Whether the scene's progress is known: a render at a provider reports none until it is done. */
const isTold = ({ renderer, status }: SceneAnswer): boolean => renderer === 'local' || status === 'completed'

function viewOfScene(scene: SceneAnswer, position: number, fileOf: ReadonlyMap<string, string>): SceneView {
  return {
    name: sceneName(scene, position, fileOf),
    status: scene.status,
    share: scene.progress_percentage / 100,
    tries: scene.tries,
    waiting: scene.waiting,
    untoldSince: isTold(scene) || scene.started_at === null ? undefined : Date.parse(scene.started_at),
  }
}

const towards = (from: number, to: number): number =>
  // A retried scene starts at zero.
  to < from || to - from < 0.004 ? to : from + (to - from) * easing

const eased = (shown: View, target: View): View => ({
  ...target,
  share: towards(shown.share, target.share),
  scenes: target.scenes.map((scene, index) => {
    const share = towards(shown.scenes[index]?.share ?? 0, scene.share)
    // A scene shows as completed only when its bar is full.
    const arriving = scene.status === 'completed' && share < 1
    return { ...scene, share, status: arriving ? 'processing' : scene.status }
  }),
})

/** Waits that end soon and by themselves: a log does not need them. */
const ordinaryWaits = new Set<string>([
  'queue',
  'slots',
  'start_delay',
  'same_render',
  'back_off',
  'job_not_approved',
])

/** One line for each change: for logs, pipes and screen readers. */
function plainDisplay({ out, shown }: Terminal, fileOf: ReadonlyMap<string, string>): Display {
  const told = new Map<string, SceneAnswer['status']>()
  const toldWaits = new Map<string, string | undefined>()
  let stage = ''
  let nextTenth = 10
  const say = (line: string): void => void out.write(`${shown(line)}\n`)

  return {
    update({ job, scenes }) {
      for (const [position, scene] of scenes.scenes.entries()) {
        const name = `scene ${position + 1} of ${scenes.total_scenes}, ${sceneName(scene, position, fileOf)}`
        const { code, reason } = scene.waiting ?? {}
        if (code !== toldWaits.get(scene.id) && code !== undefined && !ordinaryWaits.has(code))
          say(`${name}: waits${waitedFor(scene.waiting)}: ${reason}`)
        toldWaits.set(scene.id, code)
        const before = told.get(scene.id)
        told.set(scene.id, scene.status)
        if (scene.status === before) continue
        if (scene.status === 'completed') say(`${name}: done${tookOf(scene)}`)
        else if (scene.status === 'failed')
          say(`${name}: failed: ${scene.error?.reason ?? 'no reason given'}`)
        else if (scene.status === 'pending' && before !== undefined) say(`${name}: failed, to be tried again`)
      }
      if (job.current_stage === stage && job.progress_percentage < nextTenth) return
      nextTenth = Math.floor(job.progress_percentage / 10) * 10 + 10
      const isNew = job.current_stage !== stage
      stage = job.current_stage
      say(isNew ? `${stage} (${job.progress_percentage} %)` : `${job.progress_percentage} %`)
    },
    end() {},
  }
}

function waitedFor(waiting: SceneAnswer['waiting']): string {
  const left = spokenLeft(waiting, systemHost.now())
  return left && ` for ${left}`
}

function tookOf({ started_at, completed_at }: SceneAnswer): string {
  if (started_at === null || completed_at === null) return ''
  return ` in ${spokenDuration(Date.parse(completed_at) - Date.parse(started_at))}`
}
