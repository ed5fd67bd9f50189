/** No body holds up the requests of others, and none gets an answer that is long because it is wrong. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { longestBlock } from '../longest-block.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { type HostileBody, hostileBodies } from './hostile-bodies.ts'

let harness: AppHarness
beforeAll(async () => {
  harness = await openAppHarness()
  await harness.job()
})
afterAll(() => harness.close())

const measured = async ({ method, path, body }: HostileBody) => {
  const { result, blockedMs } = await longestBlock(async () => {
    const headers = {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    }
    const response = await harness.app.request(path, { method, headers, body })
    return { status: response.status, bytes: (await response.arrayBuffer()).byteLength }
  })
  return { ...result, blockedMs }
}

it('answers any body of a megabyte with a few kilobytes, and without a long pause for others', async () => {
  const dear: unknown[] = []
  for (const hostile of hostileBodies) {
    const { status, bytes, blockedMs } = await measured(hostile)
    if (status < 400 || status >= 500 || bytes > 32_000 || blockedMs > 500)
      dear.push({ body: hostile.name, status, bytes, blockedMs })
  }
  expect(dear).toEqual([])
})

it('takes the largest job that it takes without a long pause for others, and reads it as well', async () => {
  const asset_ids = [await harness.picture(9)]
  const body = JSON.stringify({
    type: 'property_photos',
    parameters: { photos: asset_ids.map((asset_id) => ({ asset_id })), own: 'é'.repeat(32_000) },
    force: true,
    storyboard: { scenes: Array.from({ length: 500 }, () => ({ asset_ids, prompt: 'é'.repeat(800) })) },
  })
  const created = await measured({ method: 'POST', path: '/api/v3/jobs', name: 'a job', body })
  expect(created).toMatchObject({ status: 201 })
  expect(created.blockedMs).toBeLessThan(500)
  const read = await longestBlock(async () => (await harness.app.request('/api/v3/jobs/2')).text())
  expect(JSON.parse(read.result)).toMatchObject({ job_id: 2, costs: { scenes_to_pay: 0 } })
  expect(read.blockedMs).toBeLessThan(500)
})

it('reads headers and forms of any kind without a long pause for others', async () => {
  const spaces = ' '.repeat(16_000)
  const id = await harness.picture(1)
  const head = (name: string): string =>
    `--b\r\nContent-Disposition: form-data; name="file"; filename=${name}\r\n\r\n`
  const form = (body: string): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=b' },
    body: new ReadableStream({
      start(controller) {
        // As they come from a connection.
        for (let at = 0; at < body.length; at += 65_536)
          controller.enqueue(new TextEncoder().encode(body.slice(at, at + 65_536)))
        controller.close()
      },
    }),
    duplex: 'half',
  })
  const header = (name: string, value: string): RequestInit => ({ headers: { [name]: value } })
  const data = `/api/v3/assets/${id}/data`
  const requests: readonly (readonly [path: string, init: RequestInit])[] = [
    [data, header('range', `bytes=${spaces}x`)],
    [data, header('range', `bytes${spaces}=${spaces}-x`)],
    [data, header('range', `bytes=${'1'.repeat(8000)}-${spaces}x`)],
    [data, header('if-none-match', '"a", '.repeat(3000))],
    [data, header('if-range', `W/${spaces}"`)],
    [data, header('authorization', `Bearer ${spaces}x`)],
    ['/api/v3/none', header('accept', `application/problem+json${spaces};q=0.${'0'.repeat(8000)}x`)],
    ['/api/v3/events', header('accept', `text/event-stream;${spaces}q=0.${'0'.repeat(8000)}x`)],
    ['/api/v3/events?after=0', header('last-event-id', '1'.repeat(16_000))],
    ['/api/v3/jobs', header('host', `a${':1'.repeat(8000)}`)],
    [`/api/v3/jobs?${'a=&'.repeat(5000)}`, {}],
    [`/api/v3/jobs?created_after=2026${'('.repeat(8000)}`, {}],
    [`/api/v3/jobs?q=${'%25'.repeat(60)}_`, {}],
    ['/api/v3/assets', form('--b\r\n\r\n'.repeat(1_000_000))],
    ['/api/v3/assets', form(`--b\r\n${'a: b\r\n'.repeat(100_000)}\r\n`)],
    ['/api/v3/assets', form(`${head(`"${'\\'.repeat(60_000)}"`)}x\r\n--b--\r\n`)],
    ['/api/v3/assets', form(`${head(`x; ${'filename*=utf-8'.repeat(4000)}`)}x\r\n--b--\r\n`)],
  ]
  for (const [path, init] of requests) {
    const { result, blockedMs } = await longestBlock(async () => {
      const response = await harness.app.request(path, init)
      await response.body?.cancel()
      return response.status
    })
    expect(result, path).toBeLessThan(500)
    expect(blockedMs, `${path.slice(0, 60)} ${JSON.stringify(init.headers ?? {}).slice(0, 60)}`).toBeLessThan(
      250,
    )
  }
})
