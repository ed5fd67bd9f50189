/** Webhooks over three nodes: one sends at a time, and each event is delivered once whichever node that is. */
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import sharp from 'sharp'
import { chunksOf } from '../harness/ask.ts'
import { until } from '../harness/until.ts'
import { type Receiver, openReceiver } from '../webhooks/receiver.ts'
import { type Node, type Site, newSite } from './nodes.ts'

let site: Site
let receiver: Receiver
let photo: string
const nodes: Node[] = []

beforeAll(async () => {
  receiver = await openReceiver()
  // Some are under way whenever another node begins to send.
  receiver.answer((response) => void setTimeout(200).then(() => response.writeHead(204).end()))
  // A send that is under way when its node stops has time to end.
  site = await newSite({ WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1/32', SHUTDOWN_GRACE_MS: '5000' })
  for (const name of ['one', 'two', 'three']) nodes.push(await site.open(name))
  const image = sharp({ create: { width: 4, height: 3, channels: 3, background: '#123456' } })
  photo = (await nodes[0]!.takeAsset(chunksOf(await image.png().toBuffer()))).id
  await nodes[2]!.ask('POST', '/webhooks/endpoints', { url: receiver.url })
})
afterAll(async () => {
  await site?.remove()
  await receiver?.close()
})

/** The run that leads: another one after each takeover. */
async function leader(): Promise<string | undefined> {
  const { rows } = await site.rows.query(
    `select id || ':' || retry_count as run from workflow_tasks.job_common
     where name = 'lead' and singleton_key = 'webhooks' and state = 'active'`,
  )
  return rows[0]?.run
}

/** Jobs come and go at the last two nodes until `what` is done. */
async function meanwhile(what: () => Promise<void>): Promise<void> {
  const over = new AbortController()
  const working = nodes.slice(1).map(async ({ coordinator }) => {
    do {
      const parameters = { photos: [{ asset_id: photo }] }
      const { id } = await coordinator.createJob({ type: 'property_photos', parameters, force: true })
      await coordinator.cancelJob(id)
      await setTimeout(400)
    } while (!over.signal.aborted)
  })
  await what().finally(() => over.abort())
  await Promise.all(working)
}

/** What the receiver was sent is exactly the log; and the events of each job came in their order. */
async function allDelivered(): Promise<void> {
  const logged = (await site.rows.query('select id from events order by id')).rows.map(({ id }) => Number(id))
  await until(() => receiver.received.length >= logged.length)
  const sent = receiver.received.map(({ message }) => message.data)
  expect(sent.map(({ id }) => id).toSorted((one: number, other: number) => one - other)).toEqual(logged)
  const last = new Map<number, number>()
  for (const { id, job_id } of sent) {
    expect(id).toBeGreaterThan(last.get(job_id) ?? 0)
    last.set(job_id, id)
  }
}

it('each event is delivered once while the node that sends is closed', async () => {
  const before = await until(leader)
  await meanwhile(async () => {
    await until(() => receiver.received.length > 5)
    // The first to start took the lead.
    await nodes[0]!.close()
    await until(async () => ![undefined, before].includes(await leader()))
    const { length } = receiver.received
    await until(() => receiver.received.length > length + 5)
  })
  await allDelivered()
})

it('each event is delivered once while the node that sends loses its lead', async () => {
  const before = await until(leader)
  await meanwhile(async () => {
    const { length } = receiver.received
    await until(() => receiver.received.length > length + 5)
    // As if its heartbeats had not come for long.
    await until(async () => {
      await site.rows.query(
        `update workflow_tasks.job_common set heartbeat_on = now() - interval '1 hour'
         where name = 'lead' and singleton_key = 'webhooks' and state = 'active' and id || ':' || retry_count = $1`,
        [before],
      )
      return ![undefined, before].includes(await leader())
    })
    const later = receiver.received.length
    await until(() => receiver.received.length > later + 5)
  })
  await allDelivered()
})
