/** The commands that change what a film consists of, and which of its versions is shown. */
import type { EditedAnswer } from '../client/client.ts'
import {
  approvalCommand,
  clientFor,
  jobIdOf,
  print,
  printJson,
  remoteOptions,
  resubmitCommand,
} from './asking.ts'
import type { Client } from './client.ts'
import { CommandError, usageError } from './command-error.ts'
import { type Command, type CommandContext, command } from './command.ts'
import { type Read, given, numberOf } from './option.ts'
import { checkReadable, uploadPhotos } from './request.ts'
import { count, spokenCost } from './words.ts'

const sceneOptions = {
  ...remoteOptions,
  at: { type: 'string' },
  title: { type: 'string' },
  prompt: { type: 'string' },
  duration: { type: 'string' },
  transition: { type: 'string' },
  model: { type: 'string' },
  audio: { type: 'boolean' },
} as const

type SceneValues = Read<typeof sceneOptions>['values']

interface Deed {
  readonly client: Client
  readonly jobId: number
  readonly args: readonly string[]
  readonly values: SceneValues
}

export const scene: Command = command(sceneOptions, async (context, { values, positionals }) => {
  const [verb = '', job, ...args] = positionals
  const deed = Object.hasOwn(deeds, verb) ? deeds[verb] : undefined
  if (!deed) throw usageError('scene needs one of add, change, move or delete')
  if (job === undefined) throw usageError(`scene ${verb} needs a job's id`)
  await deed({ client: clientFor(values, context), jobId: jobIdOf(job), args, values }, context)
})

const membersOf = (values: SceneValues) =>
  given({
    title: values.title,
    prompt: values.prompt,
    duration: numberOf('duration', values.duration),
    // What it may be is the server's to say.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    transition: values.transition as 'fade' | undefined,
    model: values.model,
    audio: values.audio,
  })

const deeds: Readonly<Record<string, (deed: Deed, context: CommandContext) => Promise<void>>> = {
  async add({ client, jobId, args, values }, context) {
    if (args.length !== 1 && args.length !== 2)
      throw usageError('scene add needs a photograph, or the first and the last')
    await checkReadable(args)
    const { assets } = await uploadPhotos(client, args)
    const position = values.at === undefined ? undefined : placeOf('--at', values.at)
    const asset_ids = assets.map(({ id }) => id)
    const answer = await client.addScene(jobId, { ...membersOf(values), asset_ids, ...given({ position }) })
    await tellEdited(client, answer, 'is added', values, context)
  },
  async change({ client, jobId, args, values }, context) {
    const sceneId = await oneScene(client, jobId, args, 'change')
    const position = values.at === undefined ? undefined : placeOf('--at', values.at)
    const change = { ...membersOf(values), ...given({ position }) }
    if (Object.keys(change).length === 0)
      throw usageError(
        'scene change needs one of --title, --prompt, --duration, --transition, --model, --audio, --at',
      )
    await tellEdited(client, await client.updateScene(jobId, sceneId, change), 'is changed', values, context)
  },
  async move({ client, jobId, args: [wanted, place, ...others], values }, context) {
    if (wanted === undefined || place === undefined || others.length > 0)
      throw usageError("scene move needs a scene's number and the one it is to have")
    const sceneId = await sceneIdOf(client, jobId, wanted)
    const position = placeOf('the new number', place)
    await tellEdited(
      client,
      await client.updateScene(jobId, sceneId, { position }),
      'is moved',
      values,
      context,
    )
  },
  async delete({ client, jobId, args, values }, context) {
    const sceneId = await oneScene(client, jobId, args, 'delete')
    const answer = await client.deleteScene(jobId, sceneId)
    if (values.json) printJson(context, answer)
    else print(context, `The scene is taken out of job ${jobId}`)
  },
}

/** Scenes are numbered from 1 for people. */
function placeOf(name: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw usageError(`${name} must be a scene's number, from 1, not "${text}"`)
  return Number(text) - 1
}

async function oneScene(
  client: Client,
  jobId: number,
  args: readonly string[],
  verb: string,
): Promise<string> {
  if (args.length !== 1) throw usageError(`scene ${verb} needs a job's id and a scene's number`)
  return sceneIdOf(client, jobId, args[0]!)
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
export async function tellEdited(
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
    return print(context, `${words}. It is rejected; to submit it again: ${resubmitCommand(id, url)}`)
  const approval = approvalCommand(id, to_approve, url, revision)
  const sum = to_approve === null ? 'Its unknown cost is' : `${spokenCost(to_approve)} more are`
  if (to_approve !== 0) print(context, `${words}. ${sum} to be approved first: ${approval}`)
  else if (job_status === 'pending') print(context, `${words}. The job waits for your approval: ${approval}`)
  else print(context, words)
}

export const restore: Command = command(remoteOptions, async (context, { values, positionals }) => {
  const [job, version, ...others] = positionals
  if (job === undefined || version === undefined || others.length > 0)
    throw usageError("restore needs a job's id and the number of a version of its film")
  if (!/^[1-9]\d{0,8}$/.test(version))
    throw usageError(`"${version}" is no version, which is a number from 1`)
  const answer = await clientFor(values, context).showFilm(jobIdOf(job), Number(version))
  if (values.json) printJson(context, answer)
  else print(context, `Job ${answer.job_id} shows that film again, as version ${answer.version}`)
})
