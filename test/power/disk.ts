/** A small ext4 of which the power can be cut: what was not synced by then is lost, as on a real machine. */
import { execFile, execFileSync } from 'node:child_process'
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'

export interface PowerDisk {
  readonly directory: string
  /** From now on nothing reaches the disk: neither what is written nor what waited to be. */
  cut(): Promise<void>
  /** Mounts it again, which replays its journal. Whatever used the directory must have ended. */
  restore(): Promise<void>
  remove(): Promise<void>
}

/** All that a namespace of mounts holds is let go when its last process ends, however it ends. */
export const inOwnMounts = ['unshare', '--mount', '--propagation', 'private'] as const

/**
 * Without these ext4 writes sooner than a program may rely on: its journal every 5 s, and the bytes of a file that
 * replaces another one.
 */
const options = 'loop,commit=300,noauto_da_alloc'

/** EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH. Node has no ioctl; perl is part of Debian's base. */
const shutDown = `my $flag = pack("L", 2); open(my $d, "<", $ARGV[0]) or die $!; ioctl($d, 0x8004587d, $flag) or die $!`

const run = promisify(execFile)

const megabytes = 256

/** Why no disk can be made here whose power can be cut; undefined where one can. */
export function whyNoPowerDisk(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root may mount a disk'
  const folder = mkdtempSync(join(tmpdir(), 'power-probe-'))
  try {
    const image = join(folder, 'image')
    makeImage(image, 8)
    const script = `mount -o ${options} "$1" "$2" && perl -e '${shutDown}' "$2" && umount "$2"`
    const [program, ...args] = inOwnMounts
    const shell = ['sh', '-c', script, 'sh', image, folder]
    execFileSync(program, [...args, ...shell], { stdio: ['ignore', 'ignore', 'pipe'] })
    return undefined
  } catch (error) {
    return `no ext4 can be made, mounted and shut down here (${(error as Error).message.trim()})`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function makeImage(path: string, size: number): void {
  const file = openSync(path, 'w')
  ftruncateSync(file, size << 20)
  closeSync(file)
  execFileSync('mkfs.ext4', ['-q', '-F', path], { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** To be called in a namespace of mounts of its own. */
export async function createPowerDisk(): Promise<PowerDisk> {
  const folder = mkdtempSync(join(tmpdir(), 'power-'))
  const image = join(folder, 'image')
  const directory = join(folder, 'disk')
  const abandon = (): void => {
    execFileSync('umount', ['--lazy', directory])
    rmSync(folder, { recursive: true })
  }
  makeImage(image, megabytes)
  mkdirSync(directory)
  const mount = () => run('mount', ['-t', 'ext4', '-o', options, image, directory])
  await mount()
  process.once('exit', abandon)
  return {
    directory,
    cut: async () => void (await run('perl', ['-e', shutDown, directory])),
    async restore() {
      await unmount(directory)
      await mount()
    },
    async remove() {
      process.off('exit', abandon)
      await unmount(directory)
      rmSync(folder, { recursive: true })
    },
  }
}

const unmountWithinMs = 30_000

/** Processes that are killed let go of their files a little later. */
async function unmount(directory: string): Promise<void> {
  const until = performance.now() + unmountWithinMs
  for (;;) {
    try {
      await run('umount', [directory])
      return
    } catch (error) {
      if (performance.now() > until) throw error
      await setTimeout(20)
    }
  }
}
