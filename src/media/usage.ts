/** What processes use and may use, as the system tells it from outside: also while they are too busy to say so themselves. */
import { execFile } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { promisify } from 'node:util'

const isLinux = process.platform === 'linux'
const run = promisify(execFile)

/** Resident bytes of some processes together; one that has ended counts nothing. */
export async function residentBytes(pids: Iterable<number>): Promise<number> {
  if (isLinux) return [...pids].reduce((sum, pid) => sum + residentOf(pid), 0)
  // `ps` ends with an error where it finds none of them.
  const { stdout } = await run('/bin/ps', ['-o', 'rss=', '-p', [...pids].join(',')]).catch(() => ({
    stdout: '',
  }))
  return stdout.split('\n').reduce((sum, line) => sum + Number(line.trim()) * 1024, 0)
}

function residentOf(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(procFile(pid, 'status')) ?? []
  return Number(kilobytes ?? 0) * 1024
}

/** Ticks a second in which Linux counts, on every kind of machine that Node runs on. */
const ticksPerSecond = 100

/** Processor time of a process so far; 0 where the system doesn't tell it in a file. */
export function cpuMs(pid: number): number {
  if (!isLinux) return 0
  // Behind the name, which may hold anything: state, 10 numbers, then user and system time.
  const fields = procFile(pid, 'stat').split(') ').at(-1)!.split(' ')
  const ticks = Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
  return Number.isNaN(ticks) ? 0 : (ticks * 1000) / ticksPerSecond
}

/** Of all its threads: Linux counts each by itself. */
export function lowerPriority(pid: number): void {
  if (!isLinux) return
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`))
      setPriority(Number(thread), constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // It has just ended, or a thread of it.
  }
}

function procFile(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    // It has just ended.
    return ''
  }
}
