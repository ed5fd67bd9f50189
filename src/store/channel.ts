/** Messages between the nodes of one database. Here, because its users must not load the driver. */

export interface MessageListener {
  /** Every message, including those of this node, in the order of the commits. */
  readonly onMessage: (message: string) => void
  /** Called once, when the connection is lost. */
  readonly onLost: (error: unknown) => void
}

export interface Channel {
  /** Sends a message of at most `messageBytes`. Rejects if the server does not answer. */
  send(message: string): Promise<void>
  close(): Promise<void>
}

export type OpenChannel = (listener: MessageListener) => Promise<Channel>

/** PostgreSQL takes fewer than 8000 bytes. */
export const messageBytes = 7900
