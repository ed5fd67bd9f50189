/** Formats a job as lines of text. Pure. */
import type { JobAnswer } from '../http/routes/jobs.ts'
import type { SceneAnswer } from '../http/routes/scenes.ts'
import { commandLine } from '../command-name.ts'
import { atUrl, reviewCommand } from './suggestion.ts'
import { sceneName } from './view.ts'
import {
  count,
  fitted,
  minuteOf,
  spokenCost,
  spokenLength,
  spokenMoney,
  spokenSize,
  spokenLeft,
  wrapped,
} from './words.ts'

const nameColumns = 10

interface Screen {
  readonly room: number
  /** ms since the epoch. */
  readonly now: number
  /** The server's address. */
  readonly url: string
}

/** `versions`: the number of its films. */
export function showLines(
  job: JobAnswer,
  scenes: readonly SceneAnswer[],
  versions: number,
  screen: Screen,
): string[] {
  const { room, now, url } = screen
  const facts: [string, string | undefined][] = [
    ['Job', `${job.job_id}, ${job.type}, priority ${job.priority}`],
    ['Name', job.video_name],
    ['Client', job.client_id ?? undefined],
    ['Status', `${job.status}, ${job.progress_percentage} % (${job.current_stage})`],
    ['Why', job.error?.reason],
    ['Rejected', job.rejected ? rejectionWords(job.rejected) : undefined],
    ['Waits', job.waiting ? waitWords(job.waiting, now) : undefined],
    ['Done by', etaWords(job)],
    ['Paused', job.paused_at === null ? undefined : `since ${minuteOf(job.paused_at)}`],
    ['After', afterWords(job)],
    [
      'Begins',
      job.run_at === null || job.started_at !== null ? undefined : `not before ${minuteOf(job.run_at)}`,
    ],
    ['Deadline', job.deadline_at === null ? undefined : minuteOf(job.deadline_at)],
    ['Cost', `${spokenCost(job.costs.estimated)} estimated, ${spokenCost(job.costs.approved)} approved`],
    ['Money', spokenMoney(job.costs)],
    ['To pay', toPayWords(job, url)],
    [
      'Film',
      job.film
        ? filmWords(job, job.film, versions, url)
        : `${spokenLength(job.storyboard.total_duration)} planned`,
    ],
    ['Picture', job.thumbnail_url ?? undefined],
    ['Created', minuteOf(job.inserted_at)],
    ['Approved', job.approved_at === null ? undefined : minuteOf(job.approved_at)],
    ['Ended', job.ended_at === null ? undefined : minuteOf(job.ended_at)],
  ]
  return [
    ...facts.flatMap(([name, words]) => (words === undefined ? [] : factLines(name, words, room))),
    '',
    ...sceneLines(job, scenes, screen),
  ]
}

const factLines = (name: string, words: string, room: number): string[] =>
  wrapped(words, room - nameColumns - 1).map(
    (line, index) => `${(index === 0 ? name : '').padEnd(nameColumns)} ${line}`,
  )

function waitWords(waiting: NonNullable<JobAnswer['waiting']>, now: number): string {
  const { code, reason, since, until } = waiting
  const left = spokenLeft(waiting, now)
  const kept = code === 'fetching' ? 'kept by the provider ' : ''
  const end = until === null ? '' : `, ${kept}until ${minuteOf(until)}${left && `, ${left} from now`}`
  return `${reason} (since ${minuteOf(since)}${end})`
}

const rejectionWords = ({ note, by, at }: NonNullable<JobAnswer['rejected']>): string =>
  `${note} (${by === null ? '' : `by ${by}, `}${minuteOf(at)})`

function etaWords({ eta }: JobAnswer): string | undefined {
  if (!eta?.finished_at) return undefined
  const { p50, p90 } = eta.finished_at
  const sooner = minuteOf(p50)
  const later = minuteOf(p90)
  const onDay = later.slice(0, 10) === sooner.slice(0, 10) ? later.slice(11) : later
  const late = later === sooner ? '' : `, in nine of ten cases by ${onDay}`
  return `${sooner}${late} (judging by ${count(eta.samples, 'render')})`
}

/** The jobs that this one depends on, and their states. */
function afterWords({ depends_on: jobs }: JobAnswer): string | undefined {
  if (jobs.length === 0) return undefined
  const words = jobs.map(({ job_id, met, status, on_failure }) => {
    const otherwise = on_failure === 'fail' ? '' : `, else ${on_failure}`
    return `job ${job_id} (${met ? 'done' : (status ?? 'gone')}${met ? '' : otherwise})`
  })
  return words.join(', ')
}

/** The sum left to pay; undefined where nothing is. */
function toPayWords(job: JobAnswer, url: string): string | undefined {
  const { costs } = job
  if (costs.scenes_to_pay === 0) return undefined
  const { to_approve } = costs
  const approval =
    to_approve === 0
      ? ''
      : `${to_approve === costs.to_pay ? ', to be approved' : `, of which ${spokenCost(to_approve)} to be approved`}: ${reviewCommand(job, url)}`
  return `${spokenCost(costs.to_pay)} for ${count(costs.scenes_to_pay, 'scene')}${approval}`
}

function sceneLines(
  { job_id, costs, storyboard }: JobAnswer,
  scenes: readonly SceneAnswer[],
  { room, now, url }: Screen,
): string[] {
  const digits = String(scenes.length).length
  const isPaid = storyboard.scenes.some(({ model }) => model !== 'local')
  const costOf = new Map(costs.scenes.map((cost) => [cost.scene_id, cost]))
  return scenes.flatMap((scene, position) => {
    const isTold = scene.status === 'processing' && scene.progress_percentage > 0
    const state = isTold ? `${scene.progress_percentage} %` : scene.status
    const cost = costOf.get(scene.id)
    const money = isPaid && cost ? sceneMoney(cost) : ''
    const left = spokenLeft(scene.waiting, now)
    const toDo =
      scene.waiting?.code === 'held'
        ? `: ${commandLine(`resolve ${job_id} ${position + 1}${atUrl(url)}`)} --adopt <id>, or --absent`
        : ''
    const wait = scene.waiting && `${scene.waiting.reason}${left && ` (${left})`}${toDo}`
    const why = scene.error?.reason ?? wait ?? ''
    const facts = `${String(position + 1).padStart(digits)}  ${fitted(sceneName(scene, position), 28)}  ${state.padEnd(10)}${isPaid ? `  ${money.padEnd(15)}` : ''}`
    const line = `${facts}  ${why}`.trimEnd()
    if (line.length <= room) return [line]
    const indent = ' '.repeat(digits + 2)
    return [facts.trimEnd(), ...wrapped(why, room - indent.length).map((part) => indent + part)]
  })
}

function sceneMoney({ estimated, reserved, spent }: JobAnswer['costs']['scenes'][number]): string {
  return spent === 0 && reserved === 0
    ? `${spokenCost(estimated)} estimated`
    : spokenMoney({ spent, reserved })
}

/** The newest version is the shown one. */
const filmWords = (
  { job_id }: JobAnswer,
  film: NonNullable<JobAnswer['film']>,
  versions: number,
  url: string,
): string =>
  `${spokenLength(film.duration)}, ${film.width} x ${film.height}, ${spokenSize(film.size)}, version ${versions} of ${versions}: ${commandLine(`download ${job_id}${atUrl(url)}`)}`
