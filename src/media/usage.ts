/** Memory, processor time and priority of processes, from outside: this works while they are too busy to answer. */
import { execFile } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { promisify } from 'node:util'

const isLinux = process.platform === 'linux'
const run = promisify(execFile)

/** Total resident bytes of some processes; one that has ended counts as 0. */
export async function residentBytes(pids: Iterable<number>): Promise<number> {
  if (isLinux) return [...pids].reduce((sum, pid) => sum + residentOf(pid), 0)
  // `ps` fails if it finds none of them.
  const { stdout } = await run('/bin/ps', ['-o', 'rss=', '-p', [...pids].join(',')]).catch(() => ({
    stdout: '',
  }))
  return stdout.split('\n').reduce((sum, line) => sum + Number(line.trim()) * 1024, 0)
}

function residentOf(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(procFile(pid, 'status')) ?? []
  return Number(kilobytes ?? 0) * 1024
}

/** Linux counts processor time in ticks; this many a second on every machine that Node runs on. */
const ticksPerSecond = 100

/** Processor time of a process so far, in ms; 0 if the system is not Linux. */
export function cpuMs(pid: number): number {
  if (!isLinux) return 0
  // After the name, which may contain anything: state, 10 numbers, then user and system time.
  const fields = procFile(pid, 'stat').split(') ').at(-1)!.split(' ')
  const ticks = Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
  return Number.isNaN(ticks) ? 0 : (ticks * 1000) / ticksPerSecond
}

/** Lowers the priority of all its threads: Linux schedules each separately. */
export function lowerPriority(pid: number): void {
  if (!isLinux) return
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`))
      setPriority(Number(thread), constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // The process or one of its threads has just ended.
  }
}

function procFile(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    // The process has just ended.
    return ''
  }
}
