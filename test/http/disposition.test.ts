import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { inlineNamed } from '../../src/http/edge/disposition.ts'

test.each([
  ['Harbour View 12', 'inline; filename="Harbour View 12.mp4"'],
  ['', 'inline; filename="job 1.mp4"'],
  ['..', 'inline; filename="job 1.mp4"'],
  ['../../etc/passwd', 'inline; filename="etc passwd.mp4"'],
  ['a"b\\c\r\nSet-Cookie: x=1', 'inline; filename="a b c Set-Cookie x=1.mp4"'],
  ['50% off', `inline; filename="50_ off.mp4"; filename*=UTF-8''50%25%20off.mp4`],
  ["O'Hara (née)", `inline; filename="O'Hara (nee).mp4"; filename*=UTF-8''O%27Hara%20%28n%C3%A9e%29.mp4`],
  ['🏡', `inline; filename="_.mp4"; filename*=UTF-8''%F0%9F%8F%A1.mp4`],
  ['lone \ud800 half', `inline; filename="lone _ half.mp4"; filename*=UTF-8''lone%20%EF%BF%BD%20half.mp4`],
])('%j is saved under a safe name', (name, expected) => {
  expect(inlineNamed(name, 'job 1', 'mp4')).toBe(expected)
})

test('any name at all makes one valid header, and a short one', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (name) => {
      const header = inlineNamed(name, 'job 1', 'mp4')
      // oxlint-disable-next-line no-control-regex
      expect(header).toMatch(
        /^inline; filename="[\x20-\x21\x23-\x5b\x5d-\x7e]+\.mp4"(?:; filename\*=UTF-8''[\w.!~%-]+)?$/,
      )
      expect(header.length).toBeLessThan(1000)
      expect(new Headers({ 'content-disposition': header }).get('content-disposition')).toBe(header)
      const extended = /UTF-8''(.*)$/.exec(header)?.[1]
      if (extended !== undefined) expect(decodeURIComponent(extended)).toMatch(/\.mp4$/)
    }),
    { seed: 7, numRuns: 500 },
  )
})
