/** Describes events for people. */
import type { EventType, JobEvent } from '../../job/event.ts'
import { spokenMoney } from '../../job/price.ts'

type Data = JobEvent['data']

/** What happened, such as `approved, up to $0.80`. Actor, time and reason are members of the event itself. */
export const wordsFor = ({ type, data }: Pick<JobEvent, 'type' | 'data'>): string => words[type](data)

const words: { readonly [type in EventType]: (data: Data) => string } = {
  job_created: (data) => after('created', quoted(data, 'video_name')),
  job_approved: (data) => after('approved', upTo(data)),
  job_processing: () => 'started',
  job_progress: (data) => after(`${said(data, 'percentage')} % done`, said(data, 'stage')),
  job_completed: (data) =>
    after('completed', data['version'] === undefined ? '' : `film ${said(data, 'version')}`),
  job_failed: (data) => because('failed', data),
  job_cancelled: (data) => because('cancelled', data),
  job_retried: (data) =>
    data['reopened'] === true ? 'reopened: no approval needed' : after('retried', upTo(data)),
  job_updated: (data) =>
    data['dependency'] === undefined
      ? listing('changed', data)
      : `dependency ended: job ${said(data, 'dependency')} is ${said(data, 'status')}`,
  job_paused: (data) => because('paused', data),
  job_resumed: () => 'resumed',
  job_rejected: (data) => because('rejected', data),
  job_submitted: () => 'submitted again',
  job_shared: (data) =>
    `shared by a link until ${said(data, 'expires_at')}${data['version'] == null ? '' : `, version ${said(data, 'version')}`}`,
  job_deleted: (data) => after('deleted', quoted(data, 'video_name')),
  scene_processing: (data) =>
    data['kept'] === true
      ? 'scene started, from a kept clip'
      : after('scene started', said(data, 'model') && `with ${said(data, 'model')}`),
  scene_completed: () => 'scene completed',
  scene_failed: (data) => because('scene failed', data),
  scene_retrying: (data) => because('scene will be retried', data),
  scene_rendered: (data) => after('scene rendered', charged(data)),
  scene_held: (data) => because('scene held until it is resolved', data),
  scene_short: (data) => because('short clip accepted', data),
  scene_added: (data) => after('scene added', placed(data)),
  scene_updated: (data) =>
    data['regenerate'] === true
      ? 'scene will be rendered again'
      : data['resolution'] === undefined
        ? listing('scene changed', data)
        : data['resolution'] === 'adopt'
          ? `scene resolved: the provider accepted it as ${said(data, 'prediction_id')}`
          : 'scene resolved: the provider did not accept it',
  scene_deleted: () => 'scene deleted',
  scene_cancelled: () => 'scene cancelled',
}

/** A text or number member; empty where an event of an earlier version does not have it. */
function said(data: Data, member: string): string {
  const value = data[member]
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

const after = (what: string, more: string): string => (more === '' ? what : `${what}, ${more}`)

const because = (what: string, data: Data): string =>
  data['reason'] === undefined ? what : `${what}: ${said(data, 'reason')}`

const quoted = (data: Data, member: string): string => said(data, member) && `“${said(data, member)}”`

const placed = ({ position }: Data): string =>
  typeof position === 'number' ? `as number ${position + 1}` : ''

const money = (data: Data, member: string): string => {
  const micros = data[member]
  return typeof micros === 'number' ? spokenMoney(micros) : ''
}

/** The approved sum; empty for a free job. */
const upTo = (data: Data): string => {
  if (data['authorised_micros'] === 0 || said(data, 'authorised_micros') === '') return ''
  const { old } = data
  const before = isRecord(old) && old['authorised_micros'] ? money(old, 'authorised_micros') : ''
  return `up to ${money(data, 'authorised_micros')}${before && ` (was ${before})`}`
}

const charged = (data: Data): string =>
  data['charged_micros'] === null
    ? 'charged at an unknown price'
    : said(data, 'charged_micros') && `${money(data, 'charged_micros')} charged`

const isRecord = (value: unknown): value is Data =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const longestSaid = 40

/** A value as text, shortened. */
function spoken(value: unknown): string {
  if (value === null || value === undefined) return 'none'
  if (typeof value === 'boolean') return value ? 'on' : 'off'
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const short = text.length <= longestSaid ? text : `${text.slice(0, longestSaid - 1).toWellFormed()}…`
  return typeof value === 'string' && !/^[\w.:/-]+$/.test(short) ? `“${short}”` : short
}

/** Positions count from 1 here; a picture's id is shortened to its first digits. */
const spokenMember = (name: string, value: unknown): string =>
  name === 'position' && typeof value === 'number'
    ? String(value + 1)
    : name === 'asset_ids' && Array.isArray(value)
      ? value.map((id) => String(id).slice(0, 8)).join(' and ')
      : spoken(value)

/** Each change with its old and new value; events of earlier versions have only names. */
function listing(what: string, data: Data): string {
  const { changed, old, new: now } = data
  if (isRecord(old) && isRecord(now)) {
    const told = Object.entries(now).map(
      ([name, value]) => `${name} ${spokenMember(name, old[name])} → ${spokenMember(name, value)}`,
    )
    return told.length === 0 ? `${what} nothing` : `${what}: ${told.join(', ')}`
  }
  if (typeof changed !== 'object' || changed === null) return what
  return `${what}: ${(Array.isArray(changed) ? changed : Object.keys(changed)).join(', ')}`
}
