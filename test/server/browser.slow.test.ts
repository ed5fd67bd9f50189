/** The film in a real browser's video element, over the real server. Runs where there is a Chromium. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { hasChromium, launchChromium } from './chromium.ts'
import { ask, createJob, jobUntil, startServer } from './process.ts'

interface Seen {
  readonly duration: number
  readonly width: number
  readonly height: number
  readonly places: readonly number[]
  readonly corruptedFrames: number
}

/** What a page does to watch a film: in words, as it runs where our types don't. */
const watch = (url: string): string => `(async () => {
  const video = document.createElement('video')
  const once = (event) => new Promise((resolve, reject) => {
    video.addEventListener(event, resolve, { once: true })
    video.addEventListener('error', () => reject(new Error(video.error.message)), { once: true })
  })
  video.muted = true
  video.src = ${JSON.stringify(url)}
  document.body.replaceChildren(video)
  await once('loadedmetadata')
  const places = []
  for (const seconds of [2, 0.5, 1.5]) {
    video.currentTime = seconds
    await once('seeked')
    places.push(video.currentTime)
  }
  video.play()
  await once('ended')
  const { duration, videoWidth: width, videoHeight: height } = video
  return { duration, width, height, places, corruptedFrames: video.getVideoPlaybackQuality().corruptedVideoFrames }
})()`

it.skipIf(!hasChromium)('plays, seeks to and fro and ends in a browser, with every frame whole', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'browser-'))
  const server = await startServer(dataDir)
  const browser = await launchChromium()
  try {
    const jobId = await createJob(server, 3)
    await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)
    const { job } = await jobUntil(server, jobId, ({ status }) => status === 'completed')
    // The job's JSON stands in for a page, and would not let one load anything.
    const page = await browser.newPage({ bypassCSP: true })
    await page.goto(`${server.url}/api/v3/jobs/${jobId}`)
    const { duration, ...seen } = await page.evaluate<Seen>(watch(job.film.url))
    expect(duration).toBeCloseTo(job.film.duration, 5)
    expect(seen).toEqual({ width: 640, height: 360, places: [2, 0.5, 1.5], corruptedFrames: 0 })
  } finally {
    await browser.close()
    await server.kill('SIGKILL')
    rmSync(dataDir, { recursive: true, force: true })
  }
})
