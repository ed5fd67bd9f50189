/** The commands that change what a film consists of, and which of its versions is shown. */
import type { EditedAnswer } from '../client/client.ts'
import { transitions } from '../job/scene.ts'
import { type Client, clientFor } from './client.ts'
import { CommandError, usageError } from './command-error.ts'
import { type Command, type CommandContext, command } from './command.ts'
import {
  type Option,
  argument,
  choice,
  flag,
  membersOf,
  number,
  optional,
  optionName,
  readBy,
  text,
} from './option.ts'
import { print, printAnswer, printJson } from './print.ts'
import { checkReadable, uploadPhotos } from './request.ts'
import { oneJob, oneScene, remoteOptions } from './shared-options.ts'
import { approvalCommand, resubmitCommand } from './suggestion.ts'
import { count, spokenCost } from './words.ts'

/** People count scenes from 1. */
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

const add = command(
  {
    summary: 'add a scene',
    args: {
      id: oneJob,
      photo: argument('a photograph'),
      lastPhoto: optional(argument('a second one, which the first passes into')),
    },
    options: { at: at('its number in the film (default: the last)'), ...sceneOptions, ...remoteOptions },
  },
  async (context, { id, photo, lastPhoto, ...values }) => {
    const paths = lastPhoto === undefined ? [photo] : [photo, lastPhoto]
    await checkReadable(paths)
    const client = clientFor(values, context)
    const { assets } = await uploadPhotos(client, paths)
    const scene = {
      ...membersOf({ at: changes.at, ...sceneOptions }, values),
      asset_ids: assets.map((asset) => asset.id),
    }
    await printEdited(client, await client.addScene(id, scene), 'is added', values, context)
  },
)

const changes = { at: at('its new number in the film'), ...sceneOptions } as const

const change = command(
  {
    summary: 'change a scene',
    args: { id: oneJob, scene: oneScene },
    options: { ...changes, ...remoteOptions },
  },
  async (context, { id, scene, ...values }) => {
    const members = membersOf(changes, values)
    if (Object.keys(members).length === 0)
      throw usageError(`scene change needs one of ${Object.keys(changes).map(optionName).join(', ')}`)
    const client = clientFor(values, context)
    const answer = await client.updateScene(id, await sceneIdOf(client, id, scene), members)
    await printEdited(client, answer, 'is changed', values, context)
  },
)

const move = command(
  {
    summary: 'move a scene to another place in the film',
    args: { id: oneJob, scene: oneScene, number: argument('its new number', positionOf) },
    options: remoteOptions,
  },
  async (context, { id, scene, number: position, ...values }) => {
    const client = clientFor(values, context)
    const answer = await client.updateScene(id, await sceneIdOf(client, id, scene), { position })
    await printEdited(client, answer, 'is moved', values, context)
  },
)

const remove = command(
  {
    summary: 'delete a scene',
    args: { id: oneJob, scene: oneScene },
    options: remoteOptions,
  },
  async (context, { id, scene, ...values }) => {
    const client = clientFor(values, context)
    const answer = await client.deleteScene(id, await sceneIdOf(client, id, scene))
    printAnswer(context, values, answer, () => `The scene is deleted from job ${id}`)
  },
)

export const scene: Command = {
  summary: 'add, change, move or delete scenes of a film',
  about: 'Before it is made, and after. If that costs more than was approved, you have to approve it first.',
  options: {},
  verbs: { add, change, move, delete: remove },
}

/** A scene's number, as people see it, or its id. */
export async function sceneIdOf(client: Client, jobId: number, wanted: string): Promise<string> {
  if (!/^\d{1,6}$/.test(wanted)) return wanted
  const { scenes } = await client.listScenes(jobId)
  const found = scenes[Number(wanted) - 1]
  if (found) return found.id
  throw new CommandError(`Job ${jobId} has ${count(scenes.length, 'scene')}, and no scene ${wanted}`)
}

/** With what has to be done before it is rendered. */
export async function printEdited(
  client: Client,
  answer: EditedAnswer,
  done: string,
  { url, json }: { readonly url: string; readonly json: boolean },
  context: CommandContext,
): Promise<void> {
  if (json) return printJson(context, answer)
  const { scene: edited, job_id: id, job_status, to_approve, revision } = answer
  const words = `Scene ${edited.position + 1} of job ${id} ${done}`
  const { rejected } = await client.readJob(id)
  if (rejected)
    return print(context, `${words}. The job is rejected; to submit it again: ${resubmitCommand(id, url)}`)
  const approval = approvalCommand(id, to_approve, url, revision)
  const sum = to_approve === null ? 'Its unknown cost has' : `${spokenCost(to_approve)} more have`
  if (to_approve !== 0) print(context, `${words}. ${sum} to be approved first: ${approval}`)
  else if (job_status === 'pending') print(context, `${words}. The job waits for your approval: ${approval}`)
  else print(context, words)
}

export const restore: Command = command(
  {
    summary: "show an earlier version of a job's film again",
    about: 'It becomes the newest version; nothing is rendered.',
    args: { id: oneJob, version: argument('the number of a version', versionOf) },
    options: remoteOptions,
  },
  async (context, { id, version, ...values }) => {
    const answer = await clientFor(values, context).showFilm(id, version)
    printAnswer(
      context,
      values,
      answer,
      () => `Job ${answer.job_id} shows that film again, as version ${answer.version}`,
    )
  },
)

function versionOf(given: string): number {
  if (!/^[1-9]\d{0,8}$/.test(given)) throw usageError(`"${given}" is no version, which is a number from 1`)
  return Number(given)
}
