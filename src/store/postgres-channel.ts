/** Messages between the nodes of one database: NOTIFY and LISTEN on a connection of its own. */
import { createHash } from 'node:crypto'
import { Client } from 'pg'
import { atMost, systemHost } from '../host.ts'
import type { Channel, MessageListener } from './channel.ts'
import { streamOf } from './postgres-silence.ts'
import { addressesOf, refuseStandby } from './postgres-servers.ts'

export interface ChannelOptions extends MessageListener {
  readonly connectionString: string
  /** As given to `openPostgres`: nodes hear each other within one schema. */
  readonly schema?: string
}

const answerMs = 5000
const endMs = 1000

/** At the first of the servers that accepts writes. */
export async function openChannel(options: ChannelOptions): Promise<Channel> {
  const addresses = addressesOf(options.connectionString)
  for (const [index, address] of addresses.entries())
    try {
      return await openAt(address, options)
    } catch (error) {
      if (index === addresses.length - 1) throw error
    }
  throw new Error('There is no address')
}

async function openAt(
  connectionString: string,
  { schema, onMessage, onLost }: ChannelOptions,
): Promise<Channel> {
  const client = new Client({
    connectionString,
    keepAlive: true,
    connectionTimeoutMillis: answerMs,
    query_timeout: answerMs,
  })
  let isOver = false
  const lose = (error: unknown): void => {
    if (isOver) return
    isOver = true
    onLost(error)
  }
  client.on('error', lose)
  client.on('end', () => lose(new Error('The server closed the connection')))
  client.on('notification', ({ payload = '' }) => onMessage(payload))
  const close = async (): Promise<void> => {
    isOver = true
    // A server that does not answer takes no leave.
    await atMost(systemHost, endMs, client.end())
    streamOf(client).destroy()
  }
  try {
    await client.connect()
    await refuseStandby(client)
    const { rows } = await client.query<{ name: string }>('select current_schema() as name')
    // A name has at most 63 bytes.
    const name = `coordinator_${createHash('sha256')
      .update(schema ?? rows[0]?.name ?? '')
      .digest('hex')
      .slice(0, 32)}`
    await client.query(`listen ${name}`)
    return {
      send: async (message) => {
        await client.query({ name: 'notify', text: 'select pg_notify($1, $2)', values: [name, message] })
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}
