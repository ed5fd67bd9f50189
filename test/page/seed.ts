/** A plausible house: several clients, and jobs in every state that a person may meet. Every run makes the same. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type Client, type JobAnswer, createClient } from '../../src/client/client.ts'
import type { RunningCoordinator } from '../../src/coordinator/coordinator.ts'
import type { Fault } from '../../src/fake-replicate/fault.ts'
import { type FakeReplicate, startFakeReplicate } from '../fake-replicate/start.ts'
import type { PageSite } from './open-page.ts'

const rooms = [
  ['exterior.jpg', 'Exterior'],
  ['living-room.jpg', 'Living room'],
  ['kitchen.webp', 'Kitchen'],
  ['bedroom.jpg', 'Bedroom'],
  ['bathroom.jpg', 'Bathroom'],
  ['garden.jpg', 'Garden'],
] as const

const paid = { model: 'google/veo-3.1-fast', resolution: '720p', clip_duration: 4 } as const
const shared = 'A slow pan in the evening light'
const free = { resolution: '360p', clip_duration: 2 } as const

export async function uploadSample(client: Client, file: string): Promise<string> {
  const path = fileURLToPath(new URL(`../../sample/${file}`, import.meta.url))
  return (await client.uploadAsset(new Uint8Array(await readFile(path)))).id
}

/** A provider for a house: `serverEnv` has a server render there. */
export async function openSeedProvider() {
  const fake = await startFakeReplicate({ seed: 1, startMs: 0, renderMs: 200 })
  const serverEnv = {
    REPLICATE_API_TOKEN: fake.token,
    REPLICATE_BASE_URL: fake.url,
    REPLICATE_START_DELAY_MS: '0',
    WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
  }
  return { fake, serverEnv }
}

export interface House {
  readonly completed: JobAnswer
  readonly changed: JobAnswer
  readonly failed: JobAnswer
  readonly cancelled: JobAnswer
  readonly sentBack: JobAnswer
  readonly pending: JobAnswer
  readonly running: JobAnswer
  readonly held: JobAnswer
  readonly overBudget: JobAnswer
}

interface Plan {
  readonly name: string
  readonly clientId: string
  /** How many of the photographs. */
  readonly scenes: number
  readonly parameters?: object
  /** Films with the same prompt share clips, which are paid for once. */
  readonly prompt?: string
}

export async function seedHouse(
  { url, workflow }: Pick<PageSite, 'url' | 'workflow'>,
  fake: FakeReplicate,
  key?: string,
): Promise<House> {
  const client = createClient({ url, ...(key !== undefined && { key }) })
  const assets = await Promise.all(rooms.map(([file]) => uploadSample(client, file)))

  const create = ({
    name,
    clientId,
    scenes,
    parameters = paid,
    prompt = `A calm walk through ${name}`,
  }: Plan): Promise<JobAnswer> =>
    client.createJob({
      type: 'property_photos',
      video_name: name,
      parameters: {
        ...parameters,
        prompt,
        client_id: clientId,
        photos: Array.from({ length: scenes }, (_, index) => ({
          asset_id: assets[index % assets.length]!,
          room: rooms[index % rooms.length]![1],
        })),
      },
    })

  const approve = async ({ job_id }: JobAnswer): Promise<void> => {
    await client.approveJob(await client.readJob(job_id))
  }

  /** The faults of the next renders that are sent to the provider. */
  const planNext = async (faults: readonly (Fault | undefined)[]): Promise<void> => {
    const sent = (await fake.ledger()).filter(({ what }) => what === 'post').length
    const plan = faults.flatMap((fault, index) => (fault ? [[sent + index + 1, fault]] : []))
    await fake.set({ plan: Object.fromEntries(plan) as Record<number, Fault> })
  }

  /** Resolves at the first event of the job that `isIt`. */
  const until = async ({ job_id }: JobAnswer, isIt: (type: string, data: object) => boolean) => {
    for await (const event of client.watchJob(job_id, { after: 0 }))
      if (isIt(event.type, event.data)) return event
    throw new Error(`job ${job_id} ended before`)
  }

  /** Two versions of a film: one of its scenes was rendered again. */
  const complete = async (): Promise<JobAnswer> => {
    const job = await create({ name: 'Harbour house', clientId: 'meyer', scenes: 4, prompt: shared })
    await approve(job)
    await client.waitFor(job.job_id)
    const { scenes } = await client.listScenes(job.job_id)
    await client.regenerateScene(job.job_id, scenes[1]!.id)
    await approve(job)
    return client.waitFor(job.job_id)
  }

  /** A finished film, whose changed scene waits for an approval. */
  const change = async (): Promise<JobAnswer> => {
    const job = await create({ name: 'Mill loft', clientId: 'nordhaus', scenes: 2, parameters: free })
    await approve(job)
    await client.waitFor(job.job_id)
    const { scenes } = await client.listScenes(job.job_id)
    await client.updateScene(job.job_id, scenes[0]!.id, {
      model: paid.model,
      prompt: 'A slow flight towards the door at dusk',
    })
    return client.readJob(job.job_id)
  }

  const fail = async (): Promise<JobAnswer> => {
    const job = await create({ name: 'Villa Sonnenschein', clientId: 'meyer', scenes: 1 })
    await planNext(['fails_content'])
    await approve(job)
    await client.waitFor(job.job_id).catch(() => {})
    return client.readJob(job.job_id)
  }

  const cancel = async (): Promise<JobAnswer> => {
    const job = await create({ name: 'Boathouse', clientId: 'nordhaus', scenes: 4 })
    await client.cancelJob(job.job_id, { reason: 'The house is sold' })
    return client.readJob(job.job_id)
  }

  const sendBack = async (): Promise<JobAnswer> => {
    const job = await create({ name: '12 Elm Street', clientId: 'atelier-9', scenes: 5 })
    await client.rejectJob(job.job_id, { note: 'Please begin with the garden, and leave out the bathroom.' })
    return client.readJob(job.job_id)
  }

  /** Nothing proves whether its render was accepted. Deciding that takes a server minutes, which is not waited for here. */
  const hold = async (): Promise<JobAnswer> => {
    const job = await create({ name: 'Lighthouse', clientId: 'atelier-9', scenes: 1 })
    await planNext(['reset_unlisted'])
    await approve(job)
    const { data } = await until(job, (type) => type === 'scene_processing')
    const attemptId = String(data['attempt_id'])
    while ((await workflow.coordinator.attempt(attemptId))?.status !== 'unknown')
      await new Promise((resolve) => setTimeout(resolve, 20))
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the workflow shows only a part of it
    await (workflow.coordinator as RunningCoordinator).renderHeld(
      attemptId,
      'The provider closed the connection before it answered',
      [],
    )
    return client.readJob(job.job_id)
  }

  const exceed = async (): Promise<JobAnswer> => {
    await client.setBudgets({ 'client:tiny-homes': 0.3, 'client:meyer': 25, day: 60 })
    const job = await create({ name: 'Tiny home no. 4', clientId: 'tiny-homes', scenes: 5 })
    await approve(job)
    return client.readJob(job.job_id)
  }

  /** Two scenes are there, the others never end. */
  const run = async (): Promise<JobAnswer> => {
    const job = await create({ name: 'Château Morgenröte', clientId: 'nordhaus', scenes: 8 })
    await planNext([undefined, undefined, 'stalls', 'stalls', 'stalls', 'stalls', 'stalls', 'stalls'])
    await approve(job)
    let done = 0
    await until(job, (type) => type === 'scene_completed' && ++done === 2)
    return client.readJob(job.job_id)
  }

  const house = {
    completed: await complete(),
    changed: await change(),
    failed: await fail(),
    cancelled: await cancel(),
    sentBack: await sendBack(),
    pending: await create({ name: 'Farm at the lake', clientId: 'meyer', scenes: 6, prompt: shared }),
    held: await hold(),
    overBudget: await exceed(),
    running: await run(),
  }
  await create({ name: 'Summer flat', clientId: 'atelier-9', scenes: 3, parameters: free })
  const { endpoint_id } = await client.addWebhookEndpoint({
    url: 'http://127.0.0.1:9/films',
    description: 'Film archive',
  })
  await client.testWebhookEndpoint(endpoint_id)
  return house
}
