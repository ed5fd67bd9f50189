/** SIGTERM of one of several nodes, as processes. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, it } from 'vitest'
import { machineEnvironment } from '../environment.ts'
import { until } from '../harness/until.ts'
import { type ServerProcess, ask, createJob, jobUntil } from '../server/process.ts'
import { type Site, newSite } from './nodes.ts'

let site: Site
afterEach(() => site.remove())

const nodesAt = async (server: ServerProcess): Promise<any[]> =>
  (await ask(server, 'GET', '/api/v3/nodes')).body.nodes
const approve = (server: ServerProcess, jobId: number) => ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)

it('moves what waits to the other node at once, ends or hands over what runs, and loses no try', async () => {
  site = await newSite({ LOCAL_MAX_CONCURRENCY: '2', SHUTDOWN_GRACE_MS: '1000', DRAIN_MS: '3000' })
  const leaving = await site.start('leaving')
  // Long renders, of which most wait.
  const jobId = await createJob(leaving, 6, { clip_duration: 10, resolution: '1080p', transition: 'cut' })
  await approve(leaving, jobId)
  await until(async () => (await nodesAt(leaving))[0].running.tasks['render-scene'] === 2)
  const staying = await site.start('staying')
  const isStaying = (one: { name: string }): boolean => one.name === 'staying'
  const ended = leaving.kill('SIGTERM')
  // While it still answers.
  await until(async () => (await nodesAt(staying)).some(({ draining }) => draining))
  await until(async () => {
    const node = (await nodesAt(staying)).find(isStaying)
    return (node?.running.tasks['render-scene'] ?? 0) > 0
  })
  expect(await ended).toBe(0)
  expect((await nodesAt(staying)).map(({ name }) => name)).toEqual(['staying'])
  const { scenes } = await jobUntil(staying, jobId, ({ status }) => status === 'completed')
  // A render that was handed over was no try.
  expect(scenes.map(({ tries }) => tries)).toEqual(scenes.map(() => 1))
})

it('the command lists the nodes: since when they run, what runs there, and when they were last heard', async () => {
  site = await newSite()
  const api = await site.start('front', { ROLE: 'api' })
  const worker = await site.start('back', { ROLE: 'worker' })
  const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
  const run = async (...args: string[]): Promise<string> =>
    (
      await promisify(execFile)(process.execPath, [cli, 'nodes', '--url', api.url, ...args], {
        env: machineEnvironment,
      })
    ).stdout
  const jobId = await createJob(api, 3, { clip_duration: 4, resolution: '1080p' })
  await approve(api, jobId)
  const busy = await until(async () => {
    const text = await run()
    return text.includes('render-scene') ? text : ''
  })
  const [head, front, back] = busy.split('\n')
  expect(head).toMatch(/^NODE +ROLE +STATE +SINCE \(UTC\) +LAST HEARD +VERSION +ADDRESS +RUNS$/)
  expect(front).toMatch(
    /^front +api +alive +\d{4}-\d\d-\d\d \d\d:\d\d +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +\S+ +http:\S+ +nothing$/,
  )
  expect(back).toMatch(new RegExp(`^back +worker +alive .* \\d render-scene of job ${jobId}$`))
  expect(JSON.parse(await run('--json')).nodes).toHaveLength(2)
  await worker.kill('SIGKILL')
  // Not before 15 s without a heartbeat.
  const dead = await until(async () => {
    const text = await run()
    return text.includes(' dead ') ? text : ''
  })
  expect(dead).toMatch(/^back +worker +dead /m)
})
