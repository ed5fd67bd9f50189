import { expect, test } from 'vitest'
import { networkWords } from '../src/network-words.ts'
import { never, renderId, replicateAt, serveRaw } from './renderer/replicate/scripted.ts'

const failed = (code: string, members: object = {}): Error =>
  Object.assign(new Error(`read ${code}`), { code, ...members })

test.each([
  ['ECONNRESET', {}, 'the server closed the connection (ECONNRESET)'],
  ['UND_ERR_SOCKET', {}, 'the server closed the connection (UND_ERR_SOCKET)'],
  ['ECONNREFUSED', { address: '127.0.0.1', port: 9 }, 'nothing listens there (ECONNREFUSED 127.0.0.1:9)'],
  ['ECONNREFUSED', { address: '::1', port: 9 }, 'nothing listens there (ECONNREFUSED [::1]:9)'],
  ['ENOTFOUND', { hostname: 'a.invalid' }, 'the host name is unknown to DNS (ENOTFOUND a.invalid)'],
  ['UND_ERR_HEADERS_TIMEOUT', {}, 'the request timed out (UND_ERR_HEADERS_TIMEOUT)'],
  ['HPE_INVALID_CONSTANT', {}, 'the response is not valid HTTP (HPE_INVALID_CONSTANT)'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', {}, 'the TLS connection failed (ERR_SSL_WRONG_VERSION_NUMBER)'],
])('%s of a socket is explained, and follows in brackets', (code, members, words) => {
  expect(networkWords(failed(code, members))).toBe(words)
})

test('what says nothing is explained without a code, and what speaks for itself is left to it', () => {
  expect(networkWords(new TypeError('fetch failed'))).toBe('the server closed the connection')
  expect(networkWords(new Error('more than 8 bytes'))).toBeUndefined()
  expect(networkWords(failed('ENOSPC'))).toBeUndefined()
  expect(networkWords('text')).toBeUndefined()
})

test('a provider whose connection breaks is told of in those words', async () => {
  await using rude = await serveRaw((socket) => socket.once('data', () => socket.resetAndDestroy()))
  const read = await replicateAt(`http://127.0.0.1:${rude.port}`).read(renderId, never)
  expect(read).toMatchObject({
    kind: 'failed',
    reason: expect.stringMatching(/^the server closed the connection \([A-Z_]+\)$/),
  })
})
