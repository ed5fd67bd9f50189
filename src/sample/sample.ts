/**
 * Photograph-like pictures of a house, made here so that the demo needs no files and no network: drawings
 * with light, grain and a vignette, in the shapes and formats that people really send.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp, { type Sharp } from 'sharp'
import { ownerFile, ownerFolder } from '../owner-only.ts'
import { exterior, garden } from './outdoors.ts'
import { bathroom, bedroom, kitchen, livingRoom } from './rooms.ts'

interface Sample {
  readonly file: string
  /** An SVG drawing of 1200 x 800, or of 800 x 1200. */
  readonly drawing: string
  /** The picture's width, upright. */
  readonly width: number
  readonly save: (picture: Sharp) => Sharp
}

/** Twice the drawing's own size: no picture is larger. */
const drawingDensity = 144

const samples: readonly Sample[] = [
  {
    file: 'exterior.jpg',
    drawing: exterior(),
    width: 2400,
    save: (picture) => picture.jpeg({ quality: 92 }),
  },
  {
    file: 'living-room.png',
    drawing: livingRoom(),
    width: 1801,
    save: (picture) => picture.png({ compressionLevel: 3 }),
  },
  {
    file: 'kitchen.webp',
    drawing: kitchen(),
    width: 2048,
    save: (picture) => picture.webp({ quality: 90, effort: 1 }),
  },
  // As a camera held upright stores it: lying on its side, with a note to turn it.
  {
    file: 'bedroom.jpg',
    drawing: bedroom(),
    width: 2250,
    save: (picture) => picture.rotate(270).withMetadata({ orientation: 6 }).jpeg({ quality: 92 }),
  },
  {
    file: 'bathroom.jpg',
    drawing: bathroom(),
    width: 1500,
    save: (picture) => picture.jpeg({ quality: 92, progressive: true }),
  },
  { file: 'garden.jpg', drawing: garden(), width: 2203, save: (picture) => picture.jpeg({ quality: 92 }) },
]

export interface Drawing {
  readonly file: string
  /** From 1. */
  readonly number: number
  readonly of: number
}

/**
 * Makes the pictures in `directory` (created if need be). Resolves with their paths, in no order of a tour.
 * `onDrawing`: called before each.
 */
export async function makeSamplePhotographs(
  directory: string,
  onDrawing: (drawing: Drawing) => void = () => {},
): Promise<string[]> {
  await mkdir(directory, { recursive: true, mode: ownerFolder })
  const paths: string[] = []
  // One after the other: each takes a hundred megabytes while it is made.
  for (const sample of samples) {
    onDrawing({ file: sample.file, number: paths.length + 1, of: samples.length })
    const path = join(directory, sample.file)
    await writeFile(path, await sample.save(await photographOf(sample)).toBuffer(), { mode: ownerFile })
    paths.push(path)
  }
  return paths
}

async function photographOf({ drawing, width }: Sample): Promise<Sharp> {
  const { data, info } = await sharp(Buffer.from(drawing), { density: drawingDensity })
    .resize({ width })
    .flatten()
    .blur(0.7)
    .raw()
    .toBuffer({ resolveWithObject: true })
  develop(data, info.width, info.height)
  return sharp(data, { raw: { width: info.width, height: info.height, channels: 3 } })
}

/** What a lens and a sensor do to a picture: darker corners, and grain, more of it in the shadows. */
function develop(pixels: Buffer, width: number, height: number): void {
  let state = 1
  for (let y = 0, at = 0; y < height; y++) {
    const fromMiddleY = (y / height - 0.5) ** 2
    for (let x = 0; x < width; x++, at += 3) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      // Two dice are rounder than one.
      const noise = (state >>> 24) + ((state >>> 12) & 255) - 255
      const light = 1.04 - 0.62 * (fromMiddleY + (x / width - 0.5) ** 2)
      const grain = noise * (0.05 - (pixels[at + 1] ?? 0) * 0.0001)
      for (let channel = 0; channel < 3; channel++) {
        const value = (pixels[at + channel] ?? 0) * light + grain
        pixels[at + channel] = value < 0 ? 0 : value > 255 ? 255 : value
      }
    }
  }
}
