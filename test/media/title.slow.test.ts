// What is drawn of titles, in processes that draw one each.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemHost } from '../../src/host.ts'
import { layoutTitle } from '../../src/job/title.ts'
import { createMedia } from '../../src/media/pool.ts'

const media = createMedia({ host: systemHost })
const format = { width: 640, height: 360, fps: 24 }
const limits = { wallMs: 60_000, stallMs: 60_000, memoryBytes: 2 ** 29 }
let directory = ''

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'titles-'))
})
afterAll(async () => {
  await media.close()
  await rm(directory, { recursive: true, force: true })
})

interface Drawn {
  readonly width: number
  readonly height: number
  /** A bit for each place of a coarse grid: whether there is something white. */
  readonly shape: string
}

async function drawn(title: string): Promise<Drawn> {
  const folder = await mkdtemp(join(directory, 'title-'))
  const targetPath = join(folder, 'title.png')
  const layout = layoutTitle(title, format)
  if (layout === null) throw new Error('nothing to draw')
  const { width, height } = await media.drawTitle({ layout, format, directory: folder, targetPath, limits })
  const seen = await sharp(targetPath)
    .flatten({ background: 'black' })
    .greyscale()
    .resize(32, 12, { fit: 'fill' })
    .raw()
    .toBuffer()
  return { width, height, shape: [...seen].map((value) => (value > 127 ? '#' : '.')).join('') }
}

describe('a title', () => {
  it('is shaped: a vowel sign before its letter, letters that join', async () => {
    // In order of speech: ka, i; drawn: i, ka.
    const whole = await drawn('कि')
    const apart = await drawn('क ि')
    expect(whole.width).toBeLessThan(apart.width)
    const joined = await drawn('ببب')
    const alone = await drawn('ب ب ب')
    expect(joined.width).toBeLessThan(alone.width * 0.9)
  })

  it('is read from the right where its first letter is, with what is Latin from the left', async () => {
    // The full stop comes last, and so stands at the left.
    const { shape } = await drawn('אבג.')
    const bottom = Array.from(shape.slice(32 * 8))
    expect(bottom.indexOf('#') % 32).toBeLessThan(6)
  })

  it('never is wider than the frame, and its text is no markup', async () => {
    for (const title of ['W'.repeat(120), 'ഇ'.repeat(100), '<b>&amp;</b> "\\n" %{pts}']) {
      const { width, height } = await drawn(title)
      expect(width).toBeLessThanOrEqual(format.width)
      expect(height).toBeLessThan(format.height / 2)
    }
  })
})
