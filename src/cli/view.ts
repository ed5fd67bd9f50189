/** Formats a film's progress: from the server's answers to lines of text. Pure. */
import type { JobAnswer } from '../http/routes/jobs.ts'
import type { EstimateAnswer } from '../http/routes/money.ts'
import type { SceneAnswer } from '../http/routes/scenes.ts'
import {
  count,
  displayWidth,
  fitted,
  spokenCost,
  spokenLength,
  spokenMoney,
  spokenLeft,
  spokenWhole,
  wrapped,
} from './words.ts'

export type Paint = (style: 'bold' | 'dim' | 'green' | 'cyan' | 'red' | 'yellow', text: string) => string

export interface View {
  readonly scenes: readonly SceneView[]
  /** 0 to 1. */
  readonly share: number
  readonly stage: string
  /** Undefined while there is no estimate. */
  readonly leftMs: number | undefined
  /** US dollars; `spent` is null where it includes a charge of unknown price. */
  readonly costs: { readonly reserved: number; readonly spent: number | null }
  /** ms since the epoch. */
  readonly now: number
}

export interface SceneView {
  readonly name: string
  readonly status: SceneAnswer['status']
  /** 0 to 1. */
  readonly share: number
  readonly tries: number
  readonly waiting: Waiting | null
  /** When the scene started, ms since the epoch, where its progress is unknown, as at providers. */
  readonly untoldSince: number | undefined
}

/** Why a scene waits. */
export type Waiting = Pick<NonNullable<SceneAnswer['waiting']>, 'code' | 'reason'> & {
  readonly until?: string | null
}

export interface Screen {
  readonly columns: number
  readonly rows: number
  readonly paint: Paint
}

/** A scene's name: its title, else its pictures' file names, else its number. */
export function sceneName(
  scene: Pick<SceneAnswer, 'title' | 'asset_ids'>,
  position: number,
  fileOf: ReadonlyMap<string, string> = new Map(),
): string {
  const files = scene.asset_ids.map((id) => fileOf.get(id)).filter((file) => file !== undefined)
  if (scene.asset_ids.length > 1 && files.length === scene.asset_ids.length) return files.join(' → ')
  return scene.title ?? files[0] ?? `Scene ${position + 1}`
}

/** The share of the film that is rendered, each scene weighted by its duration. */
export function renderedShare(scenes: readonly SceneAnswer[]): number {
  const total = scenes.reduce((sum, scene) => sum + scene.duration, 0)
  const done = scenes.reduce((sum, scene) => sum + (scene.duration * scene.progress_percentage) / 100, 0)
  return total === 0 ? 0 : done / total
}

/** Below this share and time, an estimate of the rest is too uncertain. In ms. */
const tellingShare = 0.05
const tellingMs = 1500

export const timeLeft = (share: number, elapsedMs: number): number | undefined =>
  share < tellingShare || elapsedMs < tellingMs ? undefined : (elapsedMs * (1 - share)) / share

const stageWords: Readonly<Record<string, string>> = {
  created: 'Waiting for approval',
  approved: 'Approved',
  initializing: 'Starting',
  rendering: 'Rendering',
  stitching: 'Joining the clips',
  completed: 'Done',
  failed: 'Failed',
  cancelled: 'Cancelled',
}

/** The lines, each within the screen's columns, and no more of them than its rows. */
export function progressLines(view: View, screen: Screen): string[] {
  const { paint } = screen
  const columns = Math.min(screen.columns, 100) - 1
  const digits = String(view.scenes.length).length
  const widest = Math.max(8, ...view.scenes.map(({ name }) => name.length))
  const nameColumns = Math.min(widest, Math.max(8, Math.floor(columns * 0.36)))
  const barColumns = Math.max(4, columns - 2 - digits - 2 - nameColumns - 2 - 2 - stateColumns)

  const sceneLine = (scene: SceneView, position: number): string => {
    const number = String(position + 1).padStart(digits)
    const name = fitted(scene.name, nameColumns)
    const bar = sceneBar(scene, view.now, barColumns, paint)
    const shown = scene.status === 'pending' ? paint('dim', name) : name
    return `  ${paint('dim', number)}  ${shown}  ${bar}  ${sceneState(scene, view.now, paint)}`
  }

  const { first, last } = visibleScenes(view.scenes, screen.rows - fixedRows)
  const rows = view.scenes.slice(first, last).map((scene, index) => sceneLine(scene, first + index))
  if (rows.length < view.scenes.length) {
    // Always both lines: log-update 7.2 draws a picture wrongly if its number of lines changes.
    const indent = ' '.repeat(2 + digits + 2)
    const below = view.scenes.length - last
    rows.unshift(
      first > 0
        ? `${indent}${paint('dim', `${first} above, ${doneOf(view.scenes.slice(0, first))} done`)}`
        : '',
    )
    rows.push(below > 0 ? `${indent}${paint('dim', `${below} more to come`)}` : '')
  }

  const film = fitted('Film', digits + 2 + nameColumns)
  const percent = `${Math.floor(view.share * 100)} %`.padStart(stateColumns)
  const filmBar = progressBar(view.share, barColumns, paint, 'green')
  const underBar = 2 + digits + 2 + nameColumns + 2
  const facts = [
    stageWords[view.stage] ?? view.stage,
    view.leftMs === undefined ? undefined : leftWords(view.leftMs),
    spokenMoney(view.costs),
  ]
    .filter((fact) => fact !== undefined)
    .join(' · ')
  const factsAt = facts.length <= columns - underBar ? underBar : 2
  return [
    '',
    ...rows,
    '',
    `  ${paint('bold', film)}  ${filmBar}  ${percent}`,
    ' '.repeat(factsAt) + paint('dim', fitted(facts, columns - factsAt).trimEnd()),
  ]
}

/** Two blank lines, the film, its costs, and a spare line for the cursor. */
const fixedRows = 5
/** The width of the longest of `waiting`, `failed`, `100 %`, `retrying`. */
const stateColumns = 8

const padded = (text: string): string => text.padStart(stateColumns)

function sceneBar(scene: SceneView, now: number, columns: number, paint: Paint): string {
  const why = scene.waiting && waitWords(scene.waiting, columns, now)
  if (why) return paint('dim', fitted(why, columns))
  const runningMs = untoldMs(scene, now)
  if (runningMs !== undefined) return movingBar(runningMs, columns, paint)
  return progressBar(scene.share, columns, paint, scene.status === 'completed' ? 'green' : 'cyan')
}

const untoldMs = ({ status, share, untoldSince }: SceneView, now: number): number | undefined =>
  status === 'processing' && share === 0 && untoldSince !== undefined
    ? Math.max(0, now - untoldSince)
    : undefined

function sceneState(scene: SceneView, now: number, paint: Paint): string {
  const { status, share, tries, waiting } = scene
  if (waiting?.code === 'held') return paint('yellow', padded('held'))
  if (status === 'completed') return paint('green', padded('done'))
  if (status === 'failed') return paint('red', padded('failed'))
  if (status === 'cancelled') return paint('yellow', padded('stopped'))
  if (status === 'pending')
    return tries > 0 ? paint('yellow', padded('retrying')) : paint('dim', padded('waiting'))
  const runningMs = untoldMs(scene, now)
  return padded(runningMs === undefined ? `${Math.floor(share * 100)} %` : clockOf(runningMs))
}

/** A short form of a duration: `12 s`, `1:05`. */
function clockOf(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  return seconds < 60
    ? `${seconds} s`
    : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

/** Short reasons, for narrow screens. */
const shortReasons: Readonly<Record<Waiting['code'], string>> = {
  approval: 'its cost is not approved',
  rejected: 'its job was rejected',
  paused: 'everything is paused',
  renderer_paused: 'its renderer is paused',
  job_paused: 'its job is paused',
  dependency: 'its job waits for another',
  scheduled: 'it is not time yet',
  jobs_limit: 'other jobs go first',
  stitching: 'other films go first',
  provider_pause: 'the provider is busy',
  disk: 'the disk has little room',
  slots: 'all places are taken',
  start_delay: 'starts are kept apart',
  budget_job: "the job's budget is used",
  budget_client: "the client's budget is used",
  budget_day: "the day's budget is used",
  budget_total: 'the budget is used',
  unknown_price: 'its price is unknown',
  same_render: 'rendered just now',
  back_off: 'failed, to be tried again',
  after_crash: 'begins again later',
  job_not_approved: '',
  queue: 'others are before it',
  unknown: 'looked for at the provider',
  held: 'a person has to decide',
  unreadable: 'the provider is unreadable',
  fetching: 'its clip is fetched',
  ffmpeg_failed: 'FFmpeg failed on its clip',
}

/**
 * The text in place of a waiting scene's bar; empty where there is no room, or the film's own line says it.
 */
export function waitWords(waiting: Waiting, columns: number, now: number): string {
  const { code, reason } = waiting
  const left = spokenLeft(waiting, now)
  const told = code === 'job_not_approved' ? '' : reason
  const [long, short] = [told, shortReasons[code]].map((text) => (text && left ? `${text}, ${left}` : text))
  const words = [long, told, short, shortReasons[code]].filter((text) => text !== undefined)
  return words.find((text) => displayWidth(text) <= columns) ?? ''
}

const leftWords = (ms: number): string =>
  ms < 3000 ? 'a few seconds left' : `about ${spokenWhole(roundedUp(ms))} left`

/** Rounded up to whole seconds, above a minute to 5 s: a flickering last digit carries no information. */
const roundedUp = (ms: number): number =>
  Math.ceil(ms / (ms > 60_000 ? 5000 : 1000)) * (ms > 60_000 ? 5000 : 1000)

const doneOf = (scenes: readonly SceneView[]): number =>
  scenes.filter(({ status }) => status === 'completed').length

/** Heavy for done, light for the rest; half cells make it move smoothly. */
export function progressBar(share: number, columns: number, paint: Paint, style: 'green' | 'cyan'): string {
  const halves = Math.round(Math.min(1, Math.max(0, share)) * columns * 2)
  const done = '━'.repeat(halves >> 1) + (halves % 2 === 1 ? '╸' : '')
  const rest = '─'.repeat(columns - ((halves + 1) >> 1))
  return (done && paint(style, done)) + (rest && paint('dim', rest))
}

const columnsPerSecond = 12

/** A piece that moves to and fro: work of unknown progress. */
function movingBar(ms: number, columns: number, paint: Paint): string {
  const piece = Math.max(1, Math.round(columns / 6))
  const way = columns - piece
  const gone = Math.floor((ms / 1000) * columnsPerSecond) % (2 * way)
  const at = Math.min(gone, 2 * way - gone)
  const dim = (cells: number): string => (cells > 0 ? paint('dim', '─'.repeat(cells)) : '')
  return dim(at) + paint('cyan', '━'.repeat(piece)) + dim(way - at)
}

/** With more scenes than rows, those around the first unfinished one. */
function visibleScenes(scenes: readonly SceneView[], rows: number) {
  if (scenes.length <= rows) return { first: 0, last: scenes.length }
  const shown = Math.max(1, rows - 2)
  const current = scenes.findIndex(({ status }) => status !== 'completed')
  const wanted = (current === -1 ? scenes.length : current) - 1
  const first = Math.min(Math.max(0, wanted), scenes.length - shown)
  return { first, last: first + shown }
}

/** A planned film, and its cost in US dollars; null where a price is unknown. */
export interface Plan {
  readonly storyboard: JobAnswer['storyboard']
  readonly costUsd: number | null
  readonly scenesToPay: number
  /** In the storyboard's order; 0 where a kept clip or another scene's clip is reused. */
  readonly sceneUsd: readonly (number | null)[]
}

export const planOfJob = ({ storyboard, estimated_cost, costs }: JobAnswer): Plan => ({
  storyboard,
  costUsd: estimated_cost,
  scenesToPay: costs.scenes_to_pay,
  sceneUsd: costs.scenes.map(({ estimated }) => estimated),
})

export const planOfEstimate = ({
  storyboard,
  estimated_cost,
  scenes_to_pay,
  scenes,
}: EstimateAnswer): Plan => ({
  storyboard,
  costUsd: estimated_cost,
  scenesToPay: scenes_to_pay,
  sceneUsd: scenes.map(({ estimated }) => estimated),
})

const mostListed = 12

/**
 * The plan before its approval. The list of scenes is omitted where bars with the same names follow at once.
 */
export function planLines(
  plan: Plan,
  fileOf: ReadonlyMap<string, string>,
  { columns, paint }: Screen,
  list: 'list' | 'no list' = 'list',
): string[] {
  const { scenes, format, total_duration } = plan.storyboard
  const width = Math.min(columns, 100)
  const names = scenes.map((scene, position) => sceneName(scene, position, fileOf))
  const digits = String(scenes.length).length
  const isPaid = scenes.some(({ model }) => model !== 'local')
  const nameColumns = Math.min(
    Math.max(8, ...names.map((name) => name.length)),
    width - digits - (isPaid ? 25 : 16),
  )
  const noteLines = (note: string, indent: number): string[] =>
    wrapped(note, width - 1 - indent).map((line) => ' '.repeat(indent) + paint('dim', line))
  // A note that applies to every scene is printed once.
  const common = commonNotes(scenes)
  const lines = scenes.slice(0, mostListed).flatMap(({ title, duration, notes }, position) => {
    const number = paint('dim', String(position + 1).padStart(digits))
    const price = isPaid ? `  ${spokenCost(plan.sceneUsd[position]!).padStart(7)}` : ''
    const own = notes.filter((note) => !common.includes(untitled(note, title)))
    return [
      `  ${number}  ${fitted(names[position]!, nameColumns)}  ${paint('dim', spokenLength(duration).padStart(6))}${price}`,
      ...own.flatMap((note) => noteLines(note, digits + 4)),
    ]
  })
  if (scenes.length > mostListed)
    lines.push(`  ${' '.repeat(digits)}  ${paint('dim', `and ${scenes.length - mostListed} more`)}`)
  if (common.length > 0) lines.push('', ...common.flatMap((note) => noteLines(`Each scene: ${note}`, 2)))
  const shape = `${format.width} x ${format.height}, ${format.fps} frames a second`
  const isListed = list === 'list' || scenes.some(({ notes }) => notes.length > 0)
  return [
    '',
    `  ${paint('bold', 'The plan')}  ${paint('dim', `${count(scenes.length, 'scene')}, ${spokenLength(total_duration)}, ${shape}`)}`,
    ...(isListed ? ['', ...lines, ''] : []),
    `  ${paint('bold', 'The cost')}  ${costWords(plan)}`,
  ]
}

type Noted = Pick<Plan['storyboard']['scenes'][number], 'title' | 'notes'>

/** A note without its scene's title, so that equal notes of two scenes compare as equal. */
const untitled = (note: string, title: string | null): string => note.replace(` "${title}"`, '')

const commonNotes = (scenes: readonly Noted[]): string[] => {
  const [first = [], ...others] = scenes.map(({ title, notes }) => notes.map((note) => untitled(note, title)))
  return others.length === 0 ? [] : first.filter((note) => others.every((notes) => notes.includes(note)))
}

function costWords({ costUsd, scenesToPay, storyboard: { scenes } }: Plan): string {
  const paid = [...new Set(scenes.map(({ model }) => model).filter((model) => model !== 'local'))]
  if (paid.length === 0) return `${spokenCost(costUsd)}, rendered on this machine`
  const [models, share] = [paid.join(', '), `${scenesToPay} of ${count(scenes.length, 'scene')} to pay`]
  return costUsd === null
    ? `unknown, as a model has no price: ${share} for ${models}`
    : `${spokenCost(costUsd)} for ${models}, ${share}`
}
