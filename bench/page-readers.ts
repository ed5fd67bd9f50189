/**
 * What 50 open pages cost the API: the p99 of its requests with 50 pages that look at what waits, at the list of jobs and at a
 * running job, against none, in turn in the same run, while jobs are created, changed and cancelled. The server is a process of
 * its own. The pages run in a thread (open-pages.ts); 50 tabs of Chromium would measure the browser on a machine of two cores. Run: node bench/page-readers.ts [pages] [requests]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { createClient } from '../src/client/client.ts'
import { uploadSample } from '../test/page/seed.ts'
import { startServer } from '../test/server/process.ts'
import { median, quantile } from './harness.ts'
import type { OpenPages } from './open-pages.ts'

const [pages = 50, requests = 1500] = process.argv.slice(2).map(Number)
const runs = 5
/** Jobs that are created, changed and cancelled, a second. */
const livesPerSecond = 2

const folder = mkdtempSync(join(tmpdir(), 'bench-'))
const server = await startServer(folder, {
  LOG_LEVEL: 'error',
  RATE_LIMIT_PER_MINUTE: '0',
  LOCAL_MAX_CONCURRENCY: '1',
})
const client = createClient({ url: server.url })

const asset_id = await uploadSample(client, 'garden.jpg')
const create = (name: string) =>
  client.createJob({
    type: 'property_photos',
    video_name: name,
    parameters: { photos: Array.from({ length: 8 }, () => ({ asset_id })), resolution: '360p' },
  })

const first = await create('House 0')
for (let house = 1; house < 60; house++) await create(`House ${house}`)

/** Jobs come, change and go until `signal` fires. */
async function live(signal: AbortSignal): Promise<void> {
  for (let life = 0; !signal.aborted; life++) {
    const { job_id } = await create(`Life ${life}`)
    const { scenes } = await client.listScenes(job_id)
    await client.updateScene(job_id, scenes[0]!.id, { title: 'Another' })
    await client.cancelJob(job_id)
    await setTimeout(1000 / livesPerSecond)
  }
}

const openPages = (): Worker =>
  new Worker(new URL('open-pages.ts', import.meta.url), {
    workerData: { url: server.url, pages, jobId: first.job_id } satisfies OpenPages,
  })

const paths = ['/api/v3/jobs', `/api/v3/jobs/${first.job_id}`, '/api/v3/budgets', '/api/v3/limits']

async function timesOfRequests(): Promise<number[]> {
  const times: number[] = []
  for (let request = 0; request < requests; request++) {
    const begun = performance.now()
    const response = await fetch(`${server.url}${paths[request % paths.length]}`)
    await response.arrayBuffer()
    times.push(performance.now() - begun)
    await setTimeout(2)
  }
  return times
}

const p99s = { none: [] as number[], many: [] as number[] }
const p50s = { none: [] as number[], many: [] as number[] }
const ended = new AbortController()
const living = live(ended.signal)
try {
  await timesOfRequests()
  for (let run = 0; run < runs; run++)
    for (const size of ['none', 'many'] as const) {
      const opened = size === 'many' ? openPages() : undefined
      if (opened) await setTimeout(2000)
      const times = await timesOfRequests()
      p99s[size].push(quantile(times, 0.99))
      p50s[size].push(quantile(times, 0.5))
      await opened?.terminate()
      await setTimeout(500)
    }
  const ratios = p99s.many.map((p99, run) => p99 / p99s.none[run]!)
  console.log(
    `p99 ${median(p99s.none).toFixed(2)} ms with no page, ${median(p99s.many).toFixed(2)} ms with ${pages}: ratio ${median(ratios).toFixed(2)} (${ratios.map((ratio) => ratio.toFixed(2)).join(', ')})`,
  )
  console.log(
    `p50 ${median(p50s.none).toFixed(2)} ms with no page, ${median(p50s.many).toFixed(2)} ms with ${pages}`,
  )
} finally {
  ended.abort()
  await living
  await server.kill('SIGTERM')
  rmSync(folder, { recursive: true })
}
