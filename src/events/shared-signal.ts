/**
 * The signal of several nodes: wakes this process at once, and the others by messages, in which names are collected for a few
 * milliseconds. Messages are hints: they are sent after a commit, never in its transaction, and may get lost. A lost connection
 * is noticed by a message to oneself that does not come back, opened again, and made good by waking everything.
 */
import { type Host, atMost } from '../host.ts'
import { type Log, logLine } from '../log.ts'
import { type Channel, type OpenChannel, messageBytes } from '../store/channel.ts'
import { type Signal, createSignal } from './signal.ts'

export interface SharedSignalOptions {
  readonly open: OpenChannel
  /** The id of this process, which ignores its own messages. */
  readonly node: string
  readonly host: Host
  readonly log: Log
}

export interface SharedSignal extends Signal {
  /** Whether messages of this node come back: others can be heard. */
  isConnected(): boolean
  close(): Promise<void>
}

/** Between two messages of this node. */
const collectMs = 4
/** How often the connection is checked, and how long its answer may take. */
const check = { everyMs: 2000, withinMs: 2000 }
const reconnectMs = { first: 100, longest: 2000 }
/** With more names, one message wakes everything. */
const mostNames = 1000

export function createSharedSignal({ open, node, host, log }: SharedSignalOptions): SharedSignal {
  const local = createSignal()
  const closed = new AbortController()
  const names = new Set<string>()
  let channel: Channel | undefined
  let isSending = false
  let isConnected = false
  /** Called with each message of this node. */
  let onOwn: (() => void) | undefined

  const hear = (message: string): void => {
    const [from, ...heard] = message.split('\n')
    if (from === node) return onOwn?.()
    for (const name of heard)
      if (name === everything) local.notifyAll()
      else local.notify(name)
  }

  const nextMessage = (): string => {
    const message = [node, ...names].join('\n')
    const fits = names.size <= mostNames && Buffer.byteLength(message) <= messageBytes
    names.clear()
    return fits ? message : `${node}\n${everything}`
  }

  const send = async (): Promise<void> => {
    if (isSending) return
    isSending = true
    try {
      // Names of the same turn go together.
      await Promise.resolve()
      for (let current = channel; current && names.size > 0; current = channel) {
        await current.send(nextMessage())
        await host.sleep(collectMs, closed.signal)
      }
    } catch {
      // The names are lost with the connection: the others are told to look at everything.
      names.add(everything)
    } finally {
      isSending = false
    }
  }

  /** Resolves when the connection is lost, or this is closed. */
  const live = async (opened: Channel, lost: AbortSignal): Promise<void> => {
    channel = opened
    void send()
    while (!lost.aborted) {
      const own = new AbortController()
      onOwn = () => own.abort()
      await opened.send(node)
      await host.sleep(check.withinMs, AbortSignal.any([own.signal, lost]))
      if (!own.signal.aborted && !lost.aborted)
        throw new Error('A message to this node did not come back: does a pooler stand before PostgreSQL?')
      if (!isConnected && !lost.aborted) {
        isConnected = true
        logLine.hearsNodes(log)
        // What the others have sent meanwhile.
        local.notifyAll()
      }
      await host.sleep(check.everyMs, lost)
    }
    closed.signal.throwIfAborted()
    throw lost.reason
  }

  const run = async (): Promise<void> => {
    let waitMs = reconnectMs.first
    let isReported = false
    while (!closed.signal.aborted) {
      const lost = new AbortController()
      let opened: Channel | undefined
      try {
        opened = await open({ onMessage: hear, onLost: (error) => lost.abort(error) })
        await live(opened, AbortSignal.any([lost.signal, closed.signal]))
      } catch (error) {
        if (closed.signal.aborted) break
        if (isConnected || !isReported) logLine.cannotHearNodes(log, error)
        isReported = true
        if (isConnected) waitMs = reconnectMs.first
        isConnected = false
        await host.sleep(waitMs * (0.5 + host.random() / 2), closed.signal)
        waitMs = Math.min(waitMs * 2, reconnectMs.longest)
      } finally {
        channel = undefined
        void opened?.close()
      }
    }
  }

  const running = run()
  return {
    on: local.on,
    notify(name) {
      local.notify(name)
      // Without a connection they are kept; this many wake everything anyway.
      if (names.size <= mostNames) names.add(name)
      void send()
    },
    isConnected: () => isConnected,
    async close() {
      // What was notified last goes out first.
      await atMost(host, collectMs * 5, send())
      closed.abort(new Error('the program is stopping'))
      isConnected = false
      await running
    },
  }
}

const everything = '*'
