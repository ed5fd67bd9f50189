/** Commands that change a film's scenes, and choose the version to show. */
import type { EditedAnswer } from '../client/client.ts'
import { transitions } from '../job/scene.ts'
import type { Client } from './client.ts'
import { CommandError, usageError } from './command-error.ts'
import type { Command } from './command.ts'
import { type Option, argument, choice, flag, number, optional, optionName, readBy, text } from './option.ts'
import { type Asking, type Server, remote } from './remote-command.ts'
import { checkReadable, uploadPhotos } from './request.ts'
import { oneJob, oneScene } from './shared-options.ts'
import { approvalCommand, resubmitCommand } from './suggestion.ts'
import { count, spokenCost } from './words.ts'

/** A position from a scene's number: people count from 1. */
function positionOf(given: string, name: string): number {
  if (!/^[1-9]\d{0,5}$/.test(given))
    throw usageError(`${name} must be a scene's number, from 1, not "${given}"`)
  return Number(given) - 1
}

const sceneOptions = {
  title: text('text', 'shown over the scene'),
  prompt: text('text', 'the prompt of a paid model'),
  duration: number('s', "seconds; a new scene has its job's"),
  transition: choice('name', transitions, 'how it passes into the next scene: {}'),
  model: text('name', 'the model that renders it'),
  audio: flag('let a paid model make sound too'),
} as const

const at = (about: string): Option<number | undefined, 'position'> =>
  readBy(positionOf)('number', about, { member: 'position' })

const add = remote(
  {
    summary: 'add a scene',
    args: {
      id: oneJob,
      photo: argument('a photograph'),
      lastPhoto: optional(argument('a second one, which the first passes into')),
    },
    options: { at: at('its number in the film (default: the last)'), ...sceneOptions },
  },
  async ({ client, members }, { id, photo, lastPhoto }) => {
    const paths = lastPhoto === undefined ? [photo] : [photo, lastPhoto]
    await checkReadable(paths)
    const { assets } = await uploadPhotos(client, paths)
    return client.addScene(id, { ...members, asset_ids: assets.map((asset) => asset.id) })
  },
  editedLines('is added'),
)

const changes = { at: at('its new number in the film'), ...sceneOptions } as const

const change = remote(
  { summary: 'change a scene', args: { id: oneJob, scene: oneScene }, options: changes },
  async ({ client, members }, { id, scene: wanted }) => {
    if (Object.keys(members).length === 0)
      throw usageError(`scene change needs one of ${Object.keys(changes).map(optionName).join(', ')}`)
    return client.updateScene(id, await sceneIdOf(client, id, wanted), members)
  },
  editedLines('is changed'),
)

const move = remote(
  {
    summary: 'move a scene to another place in the film',
    args: { id: oneJob, scene: oneScene, number: argument('its new number', positionOf) },
  },
  async ({ client }, { id, scene: wanted, number: position }) =>
    client.updateScene(id, await sceneIdOf(client, id, wanted), { position }),
  editedLines('is moved'),
)

const remove = remote(
  { summary: 'delete a scene', args: { id: oneJob, scene: oneScene } },
  async ({ client }, { id, scene: wanted }) => client.deleteScene(id, await sceneIdOf(client, id, wanted)),
  (_answer, _asking, { id }) => `The scene is deleted from job ${id}`,
)

export const scene: Command = {
  summary: 'add, change, move or delete scenes of a film',
  about: 'Before it is made, and after. If that costs more than was approved, you have to approve it first.',
  options: {},
  verbs: { add, change, move, delete: remove },
}

/** A scene's id, from its number or its id. */
export async function sceneIdOf(client: Client, jobId: number, wanted: string): Promise<string> {
  if (!/^\d{1,6}$/.test(wanted)) return wanted
  const { scenes } = await client.listScenes(jobId)
  const found = scenes[Number(wanted) - 1]
  if (found) return found.id
  throw new CommandError(`Job ${jobId} has ${count(scenes.length, 'scene')}, and no scene ${wanted}`)
}

/** The lines after an edit: the change, and what to do before the render. */
export function editedLines(done: string) {
  return async (answer: EditedAnswer, { client }: Asking<{}>, { url }: Server): Promise<string> => {
    const { scene: edited, job_id: id, job_status, to_approve, revision } = answer
    const words = `Scene ${edited.position + 1} of job ${id} ${done}`
    const { rejected } = await client.readJob(id)
    if (rejected) return `${words}. The job is rejected; to submit it again: ${resubmitCommand(id, url)}`
    const approval = approvalCommand(id, to_approve, url, revision)
    const sum = to_approve === null ? 'Its unknown cost has' : `${spokenCost(to_approve)} more have`
    if (to_approve !== 0) return `${words}. ${sum} to be approved first: ${approval}`
    return job_status === 'pending' ? `${words}. The job waits for your approval: ${approval}` : words
  }
}

export const restore: Command = remote(
  {
    summary: "show an earlier version of a job's film again",
    about: 'It becomes the newest version; nothing is rendered.',
    args: { id: oneJob, version: argument('the number of a version', versionOf) },
  },
  ({ client }, { id, version }) => client.showFilm(id, version),
  ({ job_id, version }) => `Job ${job_id} shows that film again, as version ${version}`,
)

function versionOf(given: string): number {
  if (!/^[1-9]\d{0,8}$/.test(given)) throw usageError(`"${given}" is no version, which is a number from 1`)
  return Number(given)
}
