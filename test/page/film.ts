/**
 * Films a person's way through the page, of the real thing: opens what waits, approves it, watches it come together, plays it,
 * downloads it. Run: npm run film -- [FILE]. It needs an FFmpeg: FFMPEG_PATH, or `ffmpeg` in the path.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout } from 'node:timers/promises'
import type { Locator, Page } from 'playwright-core'
import { openPageSite } from './open-page.ts'
import { openSeedProvider, uploadSample } from './seed.ts'

const [output = fileURLToPath(new URL('../../docs/images/page.mp4', import.meta.url))] = process.argv.slice(2)
const size = { width: 1280, height: 800 }
/** A picture that stands for longer is cut to this, s. */
const longestStill = 1.5

/** Shows where the pointer is, which Chromium without a screen does not draw. */
const drawPointer = `addEventListener('DOMContentLoaded', () => {
  const pointer = document.createElement('div')
  pointer.style.cssText = 'position:fixed;z-index:9999;inset:0 auto auto 0;width:20px;height:20px;margin:-10px;border-radius:50%;background:rgb(229 72 77 / 75%);pointer-events:none'
  document.documentElement.append(pointer)
  addEventListener('mousemove', ({ clientX, clientY }) => {
    pointer.style.translate = clientX + 'px ' + clientY + 'px'
  })
})`

interface Frame {
  readonly file: string
  readonly at: number
}

async function record(page: Page, folder: string): Promise<() => Promise<readonly Frame[]>> {
  const cdp = await page.context().newCDPSession(page)
  const frames: Frame[] = []
  cdp.on('Page.screencastFrame', ({ data, metadata, sessionId }) => {
    const file = join(folder, `${String(frames.length).padStart(6, '0')}.jpg`)
    writeFileSync(file, Buffer.from(data, 'base64'))
    frames.push({ file, at: metadata.timestamp ?? Date.now() / 1000 })
    // The last ones come when the browser is on its way out.
    cdp.send('Page.screencastFrameAck', { sessionId }).catch(() => {})
  })
  await cdp.send('Page.startScreencast', {
    format: 'jpeg',
    quality: 92,
    maxWidth: size.width,
    maxHeight: size.height,
  })
  return async () => {
    await cdp.send('Page.stopScreencast')
    return frames
  }
}

function encode(frames: readonly Frame[], folder: string): void {
  const list = frames.map(({ file, at }, index) => {
    const next = frames[index + 1]?.at ?? at + longestStill
    return `file '${file}'\nduration ${Math.min(longestStill, Math.max(0.02, next - at)).toFixed(3)}`
  })
  const listFile = join(folder, 'list.txt')
  writeFileSync(listFile, `${list.join('\n')}\nfile '${frames.at(-1)!.file}'\n`)
  const picture = `fps=24,scale=${size.width}:${size.height}:force_original_aspect_ratio=decrease,pad=${size.width}:${size.height}`
  const encoding = [
    '-c:v',
    'libx264',
    '-preset',
    'medium',
    '-crf',
    '27',
    '-pix_fmt',
    'yuv420p',
    '-movflags',
    '+faststart',
  ]
  const input = ['-f', 'concat', '-safe', '0', '-i', listFile]
  execFileSync(process.env['FFMPEG_PATH'] ?? 'ffmpeg', [
    '-v',
    'error',
    '-y',
    ...input,
    '-vf',
    picture,
    ...encoding,
    output,
  ])
}

const { fake, serverEnv } = await openSeedProvider()
const site = await openPageSite(serverEnv)
const folder = mkdtempSync(join(tmpdir(), 'film-of-page-'))
try {
  const photographs = ['exterior.jpg', 'living-room.jpg', 'kitchen.webp', 'garden.jpg']
  const rooms = ['Exterior', 'Living room', 'Kitchen', 'Garden']
  const assets = await Promise.all(photographs.map((file) => uploadSample(site.client, file)))
  for (const [name, client_id] of [
    ['12 Elm Street', 'nordhaus'],
    ['Harbour house', 'meyer'],
  ] as const)
    await site.client.createJob({
      type: 'property_photos',
      video_name: name,
      parameters: {
        client_id,
        model: 'google/veo-3.1-fast',
        clip_duration: 4,
        prompt: `A calm walk through ${name}`,
        photos: assets.map((asset_id, index) => ({ asset_id, room: rooms[index]! })),
      },
    })
  await fake.set({ renderMs: [1500, 4000] })

  const { page, go } = await site.person({ viewport: size, colorScheme: 'light' })
  await page.addInitScript(drawPointer)
  await go('/')
  /** As a hand does it. */
  const click = async (target: Locator): Promise<void> => {
    await target.waitFor({ timeout: 120_000 })
    await target.scrollIntoViewIfNeeded()
    const box = (await target.boundingBox())!
    await page.mouse.move(box.x + box.width / 2, box.y + Math.min(box.height / 2, 30), { steps: 25 })
    await setTimeout(300)
    await target.click()
  }
  await page.getByText('Harbour house').first().waitFor()
  // Previews are drawn before, so that the film does not wait for them.
  const { job_id } = (await site.client.listJobs({ q: 'Harbour' })).jobs[0]!
  const { scenes } = await site.client.listScenes(job_id)
  for (const { id } of scenes) await (await site.client.sceneFrame(job_id, id)).arrayBuffer()

  const end = await record(page, folder)
  await page.mouse.move(900, 600)
  await setTimeout(1200)
  await click(page.getByRole('link', { name: /Harbour house/ }).first())
  await page.getByRole('heading', { name: /Harbour house/ }).waitFor()
  await setTimeout(1500)
  await click(page.getByRole('button', { name: /^Approve/ }).first())
  await site.client.waitFor(job_id, { signal: AbortSignal.timeout(300_000) })
  const video = page.locator('video[controls]').first()
  await video.waitFor({ timeout: 60_000 })
  await setTimeout(1500)
  await click(video)
  await page.evaluate(`document.querySelector('video[controls]').play()`)
  await setTimeout(4500)
  const download = page.getByRole('link', { name: /download/i }).first()
  if ((await download.count()) > 0) await click(download)
  await setTimeout(1000)
  const frames = await end()
  encode(frames, folder)
  console.log(`${output}: ${frames.length} pictures, ${(statSync(output).size / 1e6).toFixed(2)} MB`)
} finally {
  await site.close()
  await fake.kill()
  rmSync(folder, { recursive: true, force: true })
}
