/** The events of several nodes on one PostgreSQL: each node reads the log once, for its subscribers and its event streams. */
import type { Host } from '../host.ts'
import { type Log, logLine } from '../log.ts'
import { backOffMs } from '../loop.ts'
import type { Database } from '../store/database.ts'
import type { OpenChannel } from '../store/channel.ts'
import { type Feed, type FeedReader, createFeed } from './feed.ts'
import { type OnListenerError, type PubSub, createListeners } from './pubsub.ts'
import { type SharedSignal, createSharedSignal } from './shared-signal.ts'

export interface SharedEventsOptions {
  readonly database: Database
  readonly open: OpenChannel
  /** The id of this process. */
  readonly node: string
  readonly host: Host
  readonly log: Log
  readonly onListenerError: OnListenerError
}

export interface SharedEvents {
  readonly signal: SharedSignal
  readonly pubsub: PubSub
  readonly feed: Feed
  close(): Promise<void>
}

/** Subscribers get the events from now on. */
export async function openSharedEvents(options: SharedEventsOptions): Promise<SharedEvents> {
  const { database, open, node, host, log, onListenerError } = options
  const signal = createSharedSignal({ open, node, host, log })
  const feed = createFeed({ database, onEvent: (wake) => signal.on('events', wake), host, log })
  const everyone = createListeners(onListenerError)
  const own = createListeners(onListenerError)
  const closed = new AbortController()

  /** Resolves when the feed is closed; rejects if it cannot be read. */
  const readAll = async (reader: FeedReader, onRead: (id: number) => void): Promise<void> => {
    for (;;) {
      const events = await reader.next()
      if (!events) return
      for (const event of events) {
        onRead(event.id)
        everyone.publish(event)
      }
    }
  }

  const follow = async (first: FeedReader): Promise<void> => {
    let { after } = first
    for (let reader: FeedReader | undefined = first; !closed.signal.aborted; reader = undefined)
      try {
        reader ??= await feed.follow({ after, isOwn: true })
        await readAll(reader, (id) => (after = id))
        return
      } catch (error) {
        logLine.cannotReadEvents(log, error)
        await host.sleep(backOffMs, closed.signal)
      } finally {
        reader?.close()
      }
  }

  const close = async (): Promise<void> => {
    closed.abort()
    feed.close()
    await following
    await signal.close()
  }
  let following: Promise<void> | undefined
  try {
    following = follow(await feed.follow({ isOwn: true }))
  } catch (error) {
    await close()
    throw error
  }
  return {
    signal,
    feed,
    pubsub: {
      subscribe: everyone.subscribe,
      subscribeOwn: own.subscribe,
      publish(event) {
        own.publish(event)
        signal.notify('events')
      },
    },
    close,
  }
}
