/**
 * Draws a scene's title: a picture with transparency, which FFmpeg overlays and fades. Pango, within sharp, shapes
 * Devanagari, joins Arabic and orders right-to-left text; FFmpeg's own text drawing cannot everywhere.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import type { FrameFormat } from '../job/format.ts'
import { type TitleFont, type TitleLayout, type TitleRun } from '../job/title.ts'
import { ownerFile } from '../owner-only.ts'
import { fontBytes, fontFiles } from './title-fonts.ts'

export interface DrawTitleRequest {
  readonly layout: TitleLayout
  readonly format: FrameFormat
  /** An empty folder, for fonts. */
  readonly directory: string
  /** Becomes a PNG as wide as its longest line. */
  readonly targetPath: string
}

export interface DrawnTitle {
  /** Pixels. */
  readonly width: number
  readonly height: number
}

/** Largest share of the frame's width that a line may take. */
const mostShare = 0.94

export async function drawTitle({
  layout,
  format,
  directory,
  targetPath,
}: DrawTitleRequest): Promise<DrawnTitle> {
  await openFonts(layout.lines.flat(), directory)
  const drawn = await drawText(layout, layout.fontSize)
  const room = format.width * mostShare
  const { fontSize, text } =
    drawn.width <= room
      ? { fontSize: layout.fontSize, text: drawn }
      : await smaller(layout, (layout.fontSize * room) / drawn.width)
  const made = withEdge(text, fontSize)
  const { width, height } = made
  await sharp(made.data, { raw: { width, height, channels: 4 } })
    .png({ compressionLevel: 3 })
    .toFile(targetPath)
  return { width, height }
}

const smaller = async (layout: TitleLayout, fontSize: number) => ({
  fontSize,
  text: await drawText(layout, Math.floor(fontSize)),
})

/**
 * Registers the fonts that these runs need with fontconfig, and no system fonts: a film would look different on each
 * machine. fontconfig reads its configuration once, so a process draws one title.
 */
async function openFonts(runs: readonly TitleRun[], directory: string): Promise<void> {
  const configuration = join(directory, 'fonts.conf')
  await writeFile(configuration, '<?xml version="1.0"?><fontconfig></fontconfig>', { mode: ownerFile })
  process.env['FONTCONFIG_FILE'] = configuration
  const texts = new Map<TitleFont, string>([['DejaVu Sans', '']])
  for (const { font, text } of runs) texts.set(font, (texts.get(font) ?? '') + text)
  let files = 0
  for (const [font, text] of texts) {
    for (const file of await fontFiles(font, text)) {
      const path = join(directory, `font-${++files}.ttf`)
      await writeFile(path, await fontBytes(file), { mode: ownerFile })
      // sharp registers a font when it draws a text with it.
      await sharp({ text: { text: '.', font, fontfile: path } }).toBuffer()
    }
  }
}

interface Pixels {
  readonly data: Uint8Array
  readonly width: number
  readonly height: number
}

async function drawText({ lines, isRightToLeft }: TitleLayout, fontSize: number): Promise<Pixels> {
  // Without the mark, each line's first letter would decide its direction.
  const mark = isRightToLeft ? '\u200F' : '\u200E'
  const text = lines.map((line) => mark + line.map(markup).join('')).join('\n')
  const { data, info } = await sharp({
    text: {
      text: `<span foreground="white">${text}</span>`,
      font: `DejaVu Sans Bold ${fontSize}`,
      // At 72 dpi a point is a pixel.
      dpi: 72,
      align: 'centre',
      rgba: true,
    },
  })
    .raw()
    .toBuffer({ resolveWithObject: true })
  return { data, width: info.width, height: info.height }
}

const markup = ({ font, text }: TitleRun): string =>
  `<span font_family="${font}">${text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')}</span>`

const edgeAlpha = 0.55
const shadowAlpha = 0.5

/** Adds a dark edge and a shadow below: white on white would be unreadable. */
function withEdge(text: Pixels, fontSize: number): Pixels {
  const edge = Math.max(1, Math.round(fontSize / 16))
  const drop = Math.max(1, Math.round(fontSize / 14))
  const margin = edge + drop
  const width = text.width + 2 * margin
  const height = text.height + 2 * margin
  const inside = new Uint8Array(width * height)
  for (let y = 0; y < text.height; y++)
    for (let x = 0; x < text.width; x++)
      inside[(y + margin) * width + x + margin] = text.data[4 * (y * text.width + x) + 3]!
  const grown = new Uint8Array(width * height)
  for (let dy = -edge; dy <= edge; dy++) {
    const reach = Math.floor(Math.sqrt(edge * edge - dy * dy))
    for (let y = Math.max(0, -dy); y < Math.min(height, height - dy); y++)
      for (let x = reach; x < width - reach; x++) {
        const value = inside[(y + dy) * width + x]!
        if (value === 0) continue
        for (let at = y * width + x - reach; at <= y * width + x + reach; at++)
          if (grown[at]! < value) grown[at] = value
      }
  }
  const data = new Uint8Array(4 * width * height)
  for (let at = 0; at < width * height; at++) {
    const shadow = ((inside[at - drop * width] ?? 0) / 255) * shadowAlpha
    const dark = 1 - (1 - (grown[at]! / 255) * edgeAlpha) * (1 - shadow)
    const light = inside[at]! / 255
    const alpha = light + dark * (1 - light)
    const grey = alpha === 0 ? 0 : Math.round((255 * light) / alpha)
    data.fill(grey, 4 * at, 4 * at + 3)
    data[4 * at + 3] = Math.round(255 * alpha)
  }
  return { data, width, height }
}
