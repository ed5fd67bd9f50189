/** Ends a command: one line for the person, an exit code for the script. */
export class CommandError extends Error {
  /** 1: the command failed; 2: usage error. */
  readonly exitCode: 1 | 2
  constructor(message: string, exitCode: 1 | 2 = 1, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CommandError'
    this.exitCode = exitCode
  }
}

export const usageError = (message: string): CommandError => new CommandError(message, 2)
