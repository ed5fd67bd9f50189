/**
 * Whether the page still moves at 60 frames a second with 10,000 scenes alive: 20 jobs of 500 scenes that are all being rendered,
 * and 200 events a second about them. Frames, long tasks and the heap of Chromium, of the page of one of these jobs and of the
 * list of all, beside the same pages without any event in the same run. At last one job has all 10,000 scenes, more than a job
 * may have. Run: node bench/page-frames.ts [seconds] [--trace FILE]
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { CDPSession, Page } from 'playwright-core'
import sharp from 'sharp'
import { openDiskArtifacts } from '../src/artifact/disk.ts'
import { createEmit } from '../src/events/emit.ts'
import { createFeed } from '../src/events/feed.ts'
import { systemHost } from '../src/host.ts'
import { listen } from '../src/http/edge/server.ts'
import { appOver } from '../test/harness/ask.ts'
import { assetOf } from '../test/harness/data.ts'
import { launchChromium } from '../test/server/chromium.ts'
import { openBenchHarness, quantile } from './harness.ts'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { trace: { type: 'string' } } })
const seconds = Number(positionals[0] ?? 15)
const live = 10_000
const scenesOfAJob = 500
const eventsPerSecond = 200
const ticksPerSecond = 50

interface LiveScene {
  readonly id: string
  readonly jobId: number
  readonly position: number
  isDone: boolean
}

/** A server with `live` scenes that are being rendered, for ever. */
async function openServer() {
  const harness = await openBenchHarness(0)
  const { coordinator, database, pubsub, log } = harness
  const feed = createFeed({ database, onEvent: (wake) => pubsub.subscribe('*', wake), host: systemHost, log })
  const artifacts = await openDiskArtifacts(harness.folder)
  const workspace = await artifacts.workspace()
  const picture = join(workspace.directory, 'frame.jpg')
  await sharp({ create: { width: 480, height: 270, channels: 3, background: '#456' } }).toFile(picture)
  const { id } = await artifacts.adopt(picture)
  const drawn = { clip: id, frame: id }
  const previews = { scene: () => Promise.resolve(drawn), photograph: () => Promise.resolve(id) }
  const server = await listen(appOver(harness, { feed, artifacts, previews }), { host: '127.0.0.1', port: 0 })
  for (let planned = 0; planned < live; planned += scenesOfAJob) {
    const scenes = Array.from({ length: scenesOfAJob }, (_, index) => ({
      asset_ids: [assetOf(0)],
      title: `Room ${index + 1}`,
      prompt: `A slow pan across room ${index + 1}`,
      duration: 4,
    }))
    const job = await coordinator.createJob({
      type: 'property_photos',
      video_name: `House ${1 + planned / scenesOfAJob}`,
      parameters: { transition: 'cut' },
      storyboard: { scenes },
    })
    await coordinator.approveJob(job.id)
  }
  await database.transaction(async (tx) => {
    await tx.run(`update scenes set status = 'processing', started_at = $1`, [Date.now()])
    await tx.run(`update jobs set status = 'processing', started_at = $1`, [Date.now()])
  })
  const emit = createEmit({ pubsub, host: systemHost })
  let scenes: LiveScene[] = []
  const readScenes = async (): Promise<void> => {
    const rows = await database.all('select id, job_id, position from scenes order by position, job_id')
    scenes = rows.map((row) => ({
      id: String(row['id']),
      jobId: Number(row['job_id']),
      position: Number(row['position']),
      isDone: false,
    }))
  }
  await readScenes()

  /** Ends and begins one scene after the other until `signal` fires; resolves to the number of events. */
  const run = async (signal: AbortSignal): Promise<number> => {
    let next = 0
    const begun = performance.now()
    while (!signal.aborted) {
      await database.transaction(async (tx) => {
        for (let event = 0; event < eventsPerSecond / ticksPerSecond; event++) {
          const scene = scenes[next++ % scenes.length]!
          scene.isDone = !scene.isDone
          const { id: sceneId, jobId, position } = scene
          const now = Date.now()
          await tx.run('update scenes set status = $2, updated_at = $3 where id = $1', [
            sceneId,
            scene.isDone ? 'completed' : 'processing',
            now,
          ])
          await emit(tx, {
            type: scene.isDone ? 'scene_completed' : 'scene_processing',
            jobId,
            sceneId,
            scene: { position },
            data: scene.isDone ? { clip: id } : {},
          })
        }
      })
      await setTimeout(Math.max(1, begun + (next / eventsPerSecond) * 1000 - performance.now()))
    }
    return next
  }

  return {
    url: server.url,
    run,
    /** From now on one job has all scenes. */
    async join() {
      const jobId = scenes[0]!.jobId
      await database.transaction((tx) =>
        tx.run('update scenes set position = position + 500 * (job_id - $1), job_id = $1', [jobId]),
      )
      await readScenes()
    },
    async close() {
      feed.close()
      await server.close({ graceMs: 0 })
      await harness.close()
    },
  }
}

interface Figures {
  readonly intervals: readonly number[]
  readonly longTasks: readonly number[]
}

const watchFrames = (ms: number): string => `new Promise((resolve) => {
  const intervals = [], longTasks = []
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longTasks.push(duration)
  })
  observer.observe({ type: 'longtask' })
  const begun = performance.now()
  let before
  const frame = (now) => {
    if (before !== undefined) intervals.push(now - before)
    before = now
    if (now - begun < ${ms}) return requestAnimationFrame(frame)
    observer.disconnect()
    resolve({ intervals, longTasks })
  }
  requestAnimationFrame(frame)
})`

async function measure(page: Page, cdp: CDPSession, name: string): Promise<void> {
  const { intervals, longTasks } = await page.evaluate<Figures>(watchFrames(seconds * 1000))
  const { metrics } = await cdp.send('Performance.getMetrics')
  const heap = metrics.find((metric) => metric.name === 'JSHeapUsedSize')!.value
  const frames = intervals.length / (intervals.reduce((sum, ms) => sum + ms, 0) / 1000)
  const at = (share: number): string => quantile(intervals, share).toFixed(1)
  console.log(
    `${name}: ${frames.toFixed(1)} frames a second, interval p50 ${at(0.5)} p95 ${at(0.95)} p99 ${at(0.99)} ms, ` +
      `${longTasks.length} long tasks, longest ${Math.max(0, ...longTasks).toFixed(0)} ms, heap ${(heap / 1e6).toFixed(0)} MB`,
  )
}

const trace = (cdp: CDPSession) => {
  const events: unknown[] = []
  cdp.on('Tracing.dataCollected', ({ value }) => events.push(...value))
  return {
    begin: () =>
      cdp.send('Tracing.start', {
        categories: 'devtools.timeline,disabled-by-default-devtools.timeline.frame',
      }),
    async end(path: string) {
      const complete = new Promise((resolve) => cdp.once('Tracing.tracingComplete', resolve))
      await cdp.send('Tracing.end')
      await complete
      writeFileSync(path, JSON.stringify({ traceEvents: events }))
    },
  }
}

const server = await openServer()
const browser = await launchChromium()
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } })
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('Performance.enable')
  const withEvents = async (name: string): Promise<void> => {
    const ended = new AbortController()
    const before = performance.now()
    const running = server.run(ended.signal)
    await setTimeout(1000)
    await measure(page, cdp, name)
    ended.abort()
    const sent = await running
    console.log(`  (${(sent / ((performance.now() - before) / 1000)).toFixed(0)} events a second were sent)`)
  }
  const show = async (path: string): Promise<void> => {
    await page.goto(`${server.url}${path}`)
    await page.getByText('House 1', { exact: true }).first().waitFor()
    if (path.startsWith('/jobs/')) await page.locator('.strip-frame').first().waitFor()
    await setTimeout(2000)
  }
  for (const [name, path] of [
    ['a job of 500 scenes', '/jobs/1'],
    ['the list of 20 jobs', '/jobs'],
  ] as const) {
    await show(path)
    await measure(page, cdp, `${name}, idle`)
    const traced = path === '/jobs/1' && values.trace ? trace(cdp) : undefined
    await traced?.begin()
    await withEvents(`${name}, ${eventsPerSecond} events a second about all`)
    await traced?.end(values.trace!)
  }
  await server.join()
  await show('/jobs/1')
  await measure(page, cdp, 'one job of 10,000 scenes, idle')
  await withEvents(`one job of 10,000 scenes, ${eventsPerSecond} events a second`)
} finally {
  await browser.close()
  await server.close()
}
