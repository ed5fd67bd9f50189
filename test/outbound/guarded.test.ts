import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type Server, createServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { describe, expect, it, vi } from 'vitest'
import { systemHost } from '../../src/host.ts'
import { type Network, addressProblem, isReachable, readNetwork } from '../../src/job/web-address.ts'
import { createGuardedFetch, createGuardedOutbound } from '../../src/outbound/guarded.ts'
import type { Outcome } from '../../src/outbound/outbound.ts'
import { createClock } from '../clock.ts'
import { until } from '../harness/until.ts'
import { type Receiver, openReceiver } from '../webhooks/receiver.ts'

const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((one) => one?.address === '::1')

/** What stands between `http://` and the port: addresses that are not public, as they may be written. */
const literals = [
  '127.0.0.1',
  '127.0.0.1.',
  '127.1',
  '127.0.1',
  '127.8.8.8',
  '2130706433',
  '0x7f000001',
  '0x7f.0.0.1',
  '0x7f.1',
  '0177.0.0.1',
  '017700000001',
  '00000177.1',
  '%31%32%37.0.0.1',
  '１２７.０.０.１',
  '①②⑦.⓪.⓪.①',
  '127。0。0。1',
  '0.0.0.0',
  '0',
  '0x0',
  '10.0.0.1',
  '10.255.255.255',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '3232235777',
  '169.254.169.254',
  '0xa9fea9fe',
  '2852039166',
  '100.64.0.1',
  '100.100.100.200',
  '192.0.0.192',
  '192.0.2.1',
  '192.88.99.1',
  '198.18.0.1',
  '198.19.255.255',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '239.255.255.250',
  '240.0.0.1',
  '255.255.255.255',
  '168.63.129.16',
  '[::]',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  '[0000:0000:0000:0000:0000:0000:0000:0001]',
  '[::127.0.0.1]',
  '[::7f00:1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::ffff:169.254.169.254]',
  '[::ffff:0:127.0.0.1]',
  '[64:ff9b::127.0.0.1]',
  '[64:ff9b::7f00:1]',
  '[64:ff9b:1::7f00:1]',
  '[2002:7f00:1::1]',
  '[2002:a9fe:a9fe::]',
  '[2001:0:7f00:1::]',
  '[2001::1]',
  '[2001:2::1]',
  '[2001:10::1]',
  '[2001:20::1]',
  '[2001:db8::1]',
  '[3fff::1]',
  '[5f00::1]',
  '[100::1]',
  '[fe80::1]',
  '[fe80::1%25lo]',
  '[fec0::1]',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[ff02::1]',
  '[4000::1]',
]

/** Names that say by themselves that they are not of the internet. */
const localNames = [
  'localhost',
  'LOCALHOST',
  'localhost.',
  'localhost..',
  'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ',
  'canary.localhost',
  'metadata',
  'metadata.google.internal',
  'printer.local',
  'router.lan',
  'nas.home.arpa',
]

/** Names that look like any other, and the addresses that stand behind them. */
const names: Readonly<Record<string, readonly string[]>> = {
  'loopback.example': ['127.0.0.1'],
  'loopback-six.example': ['::1'],
  'metadata.example': ['169.254.169.254'],
  'mapped.example': ['::ffff:127.0.0.1'],
  'mapped-hex.example': ['::ffff:7f00:1'],
  'translated.example': ['64:ff9b::7f00:1'],
  'sixtofour.example': ['2002:7f00:1::1'],
  'scoped.example': ['fe80::1%lo'],
  'unspecified.example': ['0.0.0.0'],
  'unspecified-six.example': ['::'],
  'office.example': ['10.1.2.3'],
  'first-public.example': ['93.184.216.34', '127.0.0.1'],
  'last-public.example': ['127.0.0.1', '93.184.216.34'],
  'both-families.example': ['2606:2800:220:1:248:1893:25c8:1946', '127.0.0.1'],
  '127.0.0.1.nip.example': ['127.0.0.1'],
  'nobody.example': [],
  'odd.example': ['127.1'],
  'name-again.example': ['localhost'],
}
const resolve = (name: string): Promise<readonly string[]> => Promise.resolve(names[name] ?? ['127.0.0.1'])

const never = new AbortController().signal
const post = async (
  url: string,
  allowed: readonly Network[] = [],
  found = resolve,
  signal = never,
): Promise<Outcome> => {
  const outbound = createGuardedOutbound({ allowed, host: systemHost, resolve: found })
  const outcome = await outbound.post({ url, headers: { 'webhook-id': 'msg_1' }, body: '{}' }, signal)
  await outbound.close()
  return outcome
}

const network = (text: string): Network => readNetwork(text)!

/** Servers on this machine that nothing may reach; how often they were connected to. */
async function openCanaries() {
  let connections = 0
  const servers = ['127.0.0.1', ...(hasIpv6 ? ['::1'] : [])].map((address) => ({
    address,
    server: createTcpServer((socket) => {
      connections++
      socket.destroy()
    }),
  }))
  let port = 0
  for (const { address, server } of servers) {
    server.listen(port, address)
    await once(server, 'listening')
    ;({ port } = server.address() as AddressInfo)
  }
  return {
    port,
    connections: () => connections,
    [Symbol.asyncDispose]: async () => {
      for (const { server } of servers) {
        server.close()
        await once(server, 'close')
      }
    },
  }
}

describe('the guard', () => {
  it(`refuses ${literals.length + localNames.length + Object.keys(names).length} ways to name what is not public, and connects to none`, async () => {
    await using canaries = await openCanaries()
    const reached: string[] = []
    for (const host of [...literals, ...localNames, ...Object.keys(names)])
      for (const scheme of ['http', 'https']) {
        const url = `${scheme}://${host}:${canaries.port}/`
        const outcome = await post(url)
        const isRefused =
          outcome.kind === 'unanswered' && /public internet|must be a complete address/.test(outcome.reason)
        if (!isRefused) reached.push(`${url} ${JSON.stringify(outcome)}`)
      }
    expect(reached).toEqual([])
    expect(canaries.connections()).toBe(0)
  })

  it('refuses the same to what is fetched, and gives the bytes of what it lets through', async () => {
    await using canaries = await openCanaries()
    await using receiver = await openReceiver()
    receiver.answer((response) => response.end('a clip'))
    const guarded = createGuardedFetch({ allowed: [], resolve })
    for (const host of [...literals, ...localNames, ...Object.keys(names)])
      for (const scheme of ['http', 'https'])
        await expect(guarded.fetch(`${scheme}://${host}:${canaries.port}/`), host).rejects.toThrow()
    expect(canaries.connections()).toBe(0)
    await guarded.close()
    const open = createGuardedFetch({ allowed: [network('127.0.0.1/32')], resolve })
    const response = await open.fetch(`http://receiver.example:${receiver.port}/clip`)
    expect(await response.text()).toBe('a clip')
    await open.close()
  })

  it('says already when an address is given that it can not be, where that can be seen', () => {
    for (const host of [...literals, ...localNames])
      expect(addressProblem(`http://${host}/`, []), host).toMatch(
        /public internet|must be a complete address/,
      )
    for (const host of [
      'example.com',
      'example.com.',
      '93.184.216.34',
      '[2606:2800:220:1:248:1893:25c8:1946]',
    ])
      expect(addressProblem(`https://${host}:8443/hook?token=1`, []), host).toBeUndefined()
  })

  it.each([
    ['ftp://example.com/', 'must begin with https:// or http://'],
    ['javascript:alert(1)', 'must begin with https:// or http://'],
    ['file:///etc/passwd', 'must begin with https:// or http://'],
    ['//example.com/', 'must be a complete address, such as https://example.com/webhooks'],
    ['https://user:secret@example.com/', 'must not contain a user name or a password'],
    ['https://example.com@127.0.0.1/', 'must not contain a user name or a password'],
    [`https://example.com/${'a'.repeat(2030)}`, 'must have at most 2048 characters'],
  ])('does not take %s', (url, reason) => {
    expect(addressProblem(url, [])).toContain(reason)
  })

  it('lets through the networks that the operator names, and no more', async () => {
    await using receiver = await openReceiver()
    const url = `http://receiver.example:${receiver.port}/hook`
    expect(await post(url)).toMatchObject({ kind: 'unanswered' })
    expect(await post(url, [network('10.0.0.0/8'), network('fd00::/8')])).toMatchObject({
      kind: 'unanswered',
    })
    expect(receiver.received).toHaveLength(0)
    expect(await post(url, [network('127.0.0.1/32')])).toEqual({
      kind: 'answered',
      status: 204,
      waitMs: null,
    })
    expect(await post(receiver.url, [network('127.0.0.0/8')])).toMatchObject({ status: 204 })
    expect(receiver.received.map(({ path }) => path)).toEqual(['/hook', '/'])
    expect(isReachable('127.0.0.2', [network('127.0.0.1/32')])).toBe(false)
    expect(isReachable('::ffff:127.0.0.1', [network('127.0.0.1/32')])).toBe(false)
  })

  it('looks a name up for each connection, so that one that changed its mind is refused', async () => {
    await using receiver = await openReceiver()
    await using canaries = await openCanaries()
    receiver.answer({ status: 200, headers: { connection: 'close' } })
    const answers = [['127.0.0.1'], ['127.0.0.2']]
    const outbound = createGuardedOutbound({
      allowed: [network('127.0.0.1/32')],
      host: systemHost,
      resolve: () => Promise.resolve(answers.shift() ?? []),
    })
    const url = `http://rebinding.example:${receiver.port}/`
    const send = () => outbound.post({ url, headers: {}, body: '{}' }, never)
    expect(await send()).toMatchObject({ kind: 'answered', status: 200 })
    expect(await send()).toMatchObject({
      kind: 'unanswered',
      reason: expect.stringContaining('public internet'),
    })
    expect(answers).toEqual([])
    expect(canaries.connections()).toBe(0)
    await outbound.close()
  })

  it('takes no proxy from the environment', async () => {
    await using proxy = await openReceiver()
    await using receiver = await openReceiver()
    const proxied = { HTTP_PROXY: proxy.url, http_proxy: proxy.url, NODE_USE_ENV_PROXY: '1' }
    for (const [name, value] of Object.entries(proxied)) vi.stubEnv(name, value)
    try {
      expect(await post(receiver.url, [network('127.0.0.1/32')])).toMatchObject({ kind: 'answered' })
    } finally {
      vi.unstubAllEnvs()
    }
    expect(proxy.received).toHaveLength(0)
  })
})

describe('a redirect', () => {
  const allowed = [network('127.0.0.1/32')]
  const redirecting = (receiver: Receiver, status: number, location: string): void =>
    receiver.answer({ status, headers: { location } })

  it.each([307, 308])('%i repeats the POST at a public address', async (status) => {
    await using first = await openReceiver()
    await using second = await openReceiver()
    redirecting(first, status, `${second.url}/there`)
    expect(await post(`${first.url}/here`, allowed)).toMatchObject({ kind: 'answered', status: 204 })
    expect(second.received).toMatchObject([{ path: '/there', raw: '{}', headers: { 'webhook-id': 'msg_1' } }])
  })

  it.each([301, 302, 303])('%i would make it a GET, and is an answer', async (status) => {
    await using first = await openReceiver()
    await using second = await openReceiver()
    redirecting(first, status, second.url)
    expect(await post(first.url, allowed)).toMatchObject({ kind: 'answered', status })
    expect(second.received).toHaveLength(0)
  })

  it('to what is not public is refused, however that is written', async () => {
    await using first = await openReceiver()
    await using canaries = await openCanaries()
    const hosts = [
      '127.0.0.2',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '0',
      '2130706434',
      '169.254.169.254',
      'metadata.example',
      'loopback-six.example',
      'office.example',
    ]
    for (const host of hosts) {
      redirecting(first, 307, `http://${host}:${canaries.port}/`)
      expect(await post(first.url, allowed), host).toMatchObject({
        kind: 'unanswered',
        reason: expect.stringContaining('public internet'),
      })
    }
    redirecting(first, 307, 'file:///etc/passwd')
    expect(await post(first.url, allowed)).toMatchObject({
      kind: 'unanswered',
      reason: 'The redirect target must begin with https:// or http://',
    })
    expect(canaries.connections()).toBe(0)
  })

  it('is followed three times', async () => {
    await using round = await openReceiver()
    redirecting(round, 307, '/again')
    expect(await post(round.url, allowed)).toEqual({
      kind: 'unanswered',
      reason: 'More than 3 redirects',
    })
    expect(round.received).toHaveLength(4)
  })
})

describe('what is sent', () => {
  const allowed = [network('127.0.0.1/32')]

  it('ends with a reason where nobody listens, or nobody answers', async () => {
    const closed = await openReceiver()
    await closed.close()
    expect(await post(closed.url, allowed)).toMatchObject({
      kind: 'unanswered',
      reason: expect.stringContaining('ECONNREFUSED'),
    })
    await using receiver = await openReceiver()
    receiver.answer((response) => response.destroy())
    expect(await post(receiver.url, allowed)).toMatchObject({ kind: 'unanswered' })
  })

  it('ends after fifteen seconds, also where an answer trickles', async () => {
    const host = createClock()
    await using receiver = await openReceiver()
    receiver.answer((response) => response.writeHead(200).write('a'))
    const outbound = createGuardedOutbound({ allowed, host })
    const sent = outbound.post({ url: receiver.url, headers: {}, body: '{}' }, never)
    await until(() => receiver.received.length === 1)
    host.advance(15_000)
    expect(await sent).toEqual({ kind: 'unanswered', reason: 'No answer within 15 s' })
    await outbound.close()
  })

  it('is cut off when it is told to', async () => {
    await using receiver = await openReceiver()
    receiver.answer(() => undefined)
    const cut = new AbortController()
    const sent = post(receiver.url, allowed, resolve, cut.signal)
    await until(() => receiver.received.length === 1)
    cut.abort()
    expect(await sent).toEqual({ kind: 'cut_off' })
  })

  it('takes no more than a kilobyte of an answer that never ends', async () => {
    await using receiver = await openReceiver()
    let written = 0
    let isClosed = false
    receiver.answer((response) => {
      response.on('close', () => {
        isClosed = true
      })
      const more = (): void => {
        while (!response.closed && response.write('x'.repeat(65_536))) written += 65_536
        response.once('drain', more)
      }
      response.writeHead(200)
      more()
    })
    expect(await post(receiver.url, allowed)).toMatchObject({ kind: 'answered', status: 200 })
    await until(() => isClosed)
    expect(written).toBeLessThan(16 << 20)
  })

  it('tells how long to wait after 429 and 503, in seconds or as a date', async () => {
    await using receiver = await openReceiver()
    const waitFor = async (status: number, wish: string) => {
      receiver.answer({ status, headers: { 'retry-after': wish } })
      const outcome = await post(receiver.url, allowed)
      return outcome.kind === 'answered' ? outcome.waitMs : outcome
    }
    expect(await waitFor(429, '120')).toBe(120_000)
    expect(await waitFor(503, new Date(Date.now() + 60_000).toUTCString())).toBeGreaterThan(50_000)
    expect(await waitFor(503, 'Thu, 01 Jan 1970 00:00:00 GMT')).toBe(0)
    expect(await waitFor(429, 'soon')).toBeNull()
    expect(await waitFor(500, '120')).toBeNull()
  })

  it('goes over TLS only to who proves his name', async () => {
    const server: Server = createServer({
      key: readFileSync(new URL('receiver.key', import.meta.url)),
      cert: readFileSync(new URL('receiver.crt', import.meta.url)),
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    let requests = 0
    server.on('request', (_, response) => {
      requests++
      response.end()
    })
    const { port } = server.address() as AddressInfo
    expect(await post(`https://receiver.example:${port}/`, allowed)).toMatchObject({
      kind: 'unanswered',
      reason: expect.stringContaining('self-signed'),
    })
    expect(requests).toBe(0)
    server.closeAllConnections()
    server.close()
  })
})
