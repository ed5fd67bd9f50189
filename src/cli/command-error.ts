/** What ends a command: one clear line for the person, and an exit code for the script. */
export class CommandError extends Error {
  /** 1: it was tried and failed; 2: usage error. */
  readonly exitCode: 1 | 2
  constructor(message: string, exitCode: 1 | 2 = 1, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CommandError'
    this.exitCode = exitCode
  }
}

export const usageError = (message: string): CommandError => new CommandError(message, 2)
