/** What is shown while a film is made: from what the server says of a job to lines of text. Pure. */
import type { JobAnswer } from '../http/jobs.ts'
import type { SceneAnswer } from '../http/scenes.ts'
import { count, fitted, spokenCost, spokenLength, spokenWhole } from './words.ts'

export type Paint = (style: 'bold' | 'dim' | 'green' | 'cyan' | 'red' | 'yellow', text: string) => string

export interface View {
  readonly scenes: readonly SceneView[]
  /** 0 to 1. */
  readonly share: number
  readonly stage: string
  /** Undefined as long as nobody can tell. */
  readonly leftMs: number | undefined
  readonly costUsd: number | null
}

export interface SceneView {
  readonly name: string
  readonly status: SceneAnswer['status']
  /** 0 to 1. */
  readonly share: number
  readonly tries: number
}

export interface Screen {
  readonly columns: number
  readonly rows: number
  readonly paint: Paint
}

/** What a scene is called: by its title, else by its pictures' files, else by its number. */
export function sceneName(
  scene: Pick<SceneAnswer, 'title' | 'asset_ids'>,
  position: number,
  fileOf: ReadonlyMap<string, string> = new Map(),
): string {
  const files = scene.asset_ids.map((id) => fileOf.get(id)).filter((file) => file !== undefined)
  if (scene.asset_ids.length > 1 && files.length === scene.asset_ids.length) return files.join(' → ')
  return scene.title ?? files[0] ?? `Scene ${position + 1}`
}

/** How much of the rendering is done, each scene by its length. */
export function renderedShare(scenes: readonly SceneAnswer[]): number {
  const total = scenes.reduce((sum, scene) => sum + scene.duration, 0)
  const done = scenes.reduce((sum, scene) => sum + (scene.duration * scene.progress_percentage) / 100, 0)
  return total === 0 ? 0 : done / total
}

/** The first percents and moments say too little about the rest. */
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

/** The lines, none wider than the screen and never more than it has rows. */
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
    const bar = progressBar(scene.share, barColumns, paint, scene.status === 'completed' ? 'green' : 'cyan')
    const shown = scene.status === 'pending' ? paint('dim', name) : name
    return `  ${paint('dim', number)}  ${shown}  ${bar}  ${sceneState(scene, paint)}`
  }

  const { first, last } = visibleScenes(view.scenes, screen.rows - fixedRows)
  const rows = view.scenes.slice(first, last).map((scene, index) => sceneLine(scene, first + index))
  if (rows.length < view.scenes.length) {
    // Both lines always: log-update 7.2 draws a picture wrongly whose number of lines has changed.
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
    spokenCost(view.costUsd),
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

/** Blank, blank, film, facts, and a spare one for the cursor. */
const fixedRows = 5
/** The widest of `waiting`, `failed`, `100 %`, `retrying`. */
const stateColumns = 8

const padded = (text: string): string => text.padStart(stateColumns)

function sceneState({ status, share, tries }: SceneView, paint: Paint): string {
  if (status === 'completed') return paint('green', padded('done'))
  if (status === 'failed') return paint('red', padded('failed'))
  if (status === 'cancelled') return paint('yellow', padded('stopped'))
  if (status === 'pending')
    return tries > 0 ? paint('yellow', padded('retrying')) : paint('dim', padded('waiting'))
  return padded(`${Math.floor(share * 100)} %`)
}

const leftWords = (ms: number): string =>
  ms < 3000 ? 'a few seconds left' : `about ${spokenWhole(roundedUp(ms))} left`

/** To whole seconds, above a minute to five: a last digit that jumps is no information. */
const roundedUp = (ms: number): number =>
  Math.ceil(ms / (ms > 60_000 ? 5000 : 1000)) * (ms > 60_000 ? 5000 : 1000)

const doneOf = (scenes: readonly SceneView[]): number =>
  scenes.filter(({ status }) => status === 'completed').length

/** Heavy for what is done, light for what is to come; half a cell more makes it move smoothly. */
export function progressBar(share: number, columns: number, paint: Paint, style: 'green' | 'cyan'): string {
  const halves = Math.round(Math.min(1, Math.max(0, share)) * columns * 2)
  const done = '━'.repeat(halves >> 1) + (halves % 2 === 1 ? '╸' : '')
  const rest = '─'.repeat(columns - ((halves + 1) >> 1))
  return (done && paint(style, done)) + (rest && paint('dim', rest))
}

/** Where there are more scenes than rows: those around the first that isn't done. */
function visibleScenes(scenes: readonly SceneView[], rows: number) {
  if (scenes.length <= rows) return { first: 0, last: scenes.length }
  const shown = Math.max(1, rows - 2)
  const current = scenes.findIndex(({ status }) => status !== 'completed')
  const wanted = (current === -1 ? scenes.length : current) - 1
  const first = Math.min(Math.max(0, wanted), scenes.length - shown)
  return { first, last: first + shown }
}

/** The plan, before it is approved. Its scenes need no list where bars of the same names follow at once. */
export function planLines(
  job: JobAnswer,
  fileOf: ReadonlyMap<string, string>,
  { columns, paint }: Screen,
  list: 'list' | 'no list' = 'list',
): string[] {
  const { scenes, format, total_duration } = job.storyboard
  const names = scenes.map((scene, position) => sceneName(scene, position, fileOf))
  const digits = String(scenes.length).length
  const nameColumns = Math.min(
    Math.max(8, ...names.map((name) => name.length)),
    Math.min(columns, 100) - digits - 16,
  )
  const most = 12
  const lines = scenes
    .slice(0, most)
    .map(
      ({ duration }, position) =>
        `  ${paint('dim', String(position + 1).padStart(digits))}  ${fitted(names[position]!, nameColumns)}  ${paint('dim', spokenLength(duration).padStart(6))}`,
    )
  if (scenes.length > most)
    lines.push(`  ${' '.repeat(digits)}  ${paint('dim', `and ${scenes.length - most} more`)}`)
  const shape = `${format.width} x ${format.height}, ${format.fps} frames a second`
  return [
    '',
    `  ${paint('bold', 'The plan')}  ${paint('dim', `${count(scenes.length, 'scene')}, ${spokenLength(total_duration)}, ${shape}`)}`,
    ...(list === 'list' ? ['', ...lines, ''] : []),
    `  ${paint('bold', 'The cost')}  ${costWords(job)}`,
  ]
}

export const costWords = ({ estimated_cost, storyboard }: JobAnswer): string => {
  if (estimated_cost === null) return 'unknown: the price of a model is not known'
  const local = storyboard.scenes.every(({ model }) => model === 'local')
  return `${spokenCost(estimated_cost)}${local ? ', rendered on this machine' : ''}`
}
