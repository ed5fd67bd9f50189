/** Messages between the nodes of one database: NOTIFY and LISTEN on a connection of its own. */
import { createHash } from 'node:crypto'
import { Client } from 'pg'
import type { Channel, MessageListener } from './channel.ts'

export interface ChannelOptions extends MessageListener {
  readonly connectionString: string
  /** As given to `openPostgres`: nodes hear each other within one schema. */
  readonly schema?: string
}

const answerMs = 5000

export async function openChannel(options: ChannelOptions): Promise<Channel> {
  const { connectionString, schema, onMessage, onLost } = options
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
    await client.end().catch(() => {})
  }
  try {
    await client.connect()
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
