/**
 * What jobs that wait cost, and how soon a server that was killed with them is ready again.
 * Run: node --expose-gc bench/waiting.ts [jobs]
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { jobRequest, median, openBenchHarness, together } from './harness.ts'

const jobs = Number(process.argv[2] ?? 10_000)
const runs = 5

/** Starts the real server on a folder; resolves to when it answers that it is ready, and to its memory then. */
async function startServer(
  dataDir: string,
): Promise<{ child: ChildProcess; readyMs: number; residentMb: number }> {
  const start = performance.now()
  const child = spawn(process.execPath, [new URL('../src/main.ts', import.meta.url).pathname], {
    env: { ...process.env, DATA_DIR: dataDir, PORT: '0', LOG_LEVEL: 'error' },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const [{ url }] = (await once(child, 'message')) as [{ url: string }]
  const ready = await fetch(`${url}/readyz`)
  if (ready.status !== 200) throw new Error(await ready.text())
  const readyMs = performance.now() - start
  const resident = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))
  return { child, readyMs, residentMb: Number(resident?.[1]) / 1024 }
}

const kill = async (child: ChildProcess): Promise<void> => {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

// In this process: what the coordinator itself keeps for jobs that wait for a slot.
const harness = await openBenchHarness(1)
const { coordinator, engine, database, folder } = harness
const held = { concurrency: 1, onExhausted: () => Promise.resolve() }
for (const kind of ['render-scene', 'join-clips', 'stitch-film'] as const)
  engine.handle(
    kind,
    held,
    (_, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error)),
      ),
  )
await coordinator.start()
const memory = (): number => {
  globalThis.gc?.()
  return process.memoryUsage().rss / 2 ** 20
}
const before = memory()
await together(jobs, 64, async () => coordinator.approveJob((await coordinator.createJob(jobRequest)).id))
console.log(
  `${jobs} approved jobs that wait for a slot: ${(memory() - before).toFixed(1)} MB more resident memory`,
)
await coordinator.stop()
await engine.stop({ graceMs: 0 })

// Interrupted: every job was processing, each with an attempt in flight, when the process died.
await database.transaction(async (tx) => {
  await tx.run(`update jobs set status = 'processing', started_at = approved_at where status = 'approved'`)
  await tx.run(`update scenes set status = 'processing', attempt_id = id where status = 'pending'`)
  await tx.run(`delete from attempts`)
  await tx.run(
    `insert into attempts (id, job_id, scene_id, renderer, model, status, cost_micros, client_id, day, render_key,
       inserted_at, updated_at)
     select id, job_id, id, renderer, model, 'submitted', 0, '', '', render_key, inserted_at, updated_at from scenes`,
  )
  await tx.run(`delete from tasks`)
  await tx.run(
    `insert into tasks (kind, subject, job_id, run_at, tries)
     select 'render-scene', id, job_id, inserted_at, 0 from attempts`,
  )
})
await database.close()
const starts: { readyMs: number; residentMb: number }[] = []
for (let run = 0; run < runs; run++) {
  const { child, ...measured } = await startServer(folder)
  starts.push(measured)
  await kill(child)
}
const empty = await openBenchHarness(1)
await empty.database.close()
const bare: { readyMs: number; residentMb: number }[] = []
for (let run = 0; run < runs; run++) {
  const { child, ...measured } = await startServer(empty.folder)
  bare.push(measured)
  await kill(child)
}
const readyMs = median(starts.map((start) => start.readyMs))
const bareMs = median(bare.map((start) => start.readyMs))
console.log(
  `ready after kill -9 with ${jobs} interrupted jobs: ${readyMs.toFixed(0)} ms, with none ${bareMs.toFixed(0)} ms: ratio ${(readyMs / bareMs).toFixed(2)}`,
)
console.log(
  `resident memory of the server then: ${median(starts.map((start) => start.residentMb)).toFixed(0)} MB, with none ${median(bare.map((start) => start.residentMb)).toFixed(0)} MB`,
)
