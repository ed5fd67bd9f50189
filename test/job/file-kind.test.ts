/** What a file is by how it begins: its name and what is said of it are a stranger's. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fileKindOf } from '../../src/job/file-kind.ts'

const kindOf = (text: string) => fileKindOf(Buffer.from(text, 'latin1'))

describe('a file is', () => {
  test.each([
    ['\0\0\0\x18ftypmp42\0\0\0\0', 'MP4', 'mp4'],
    ['\0\0\0\x14ftypqt  \0\0\0\0', 'QuickTime', 'mp4'],
    ['\0\0\0\x08wide\0\0\0\x08mdat', 'QuickTime', 'mp4'],
    ['\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm', 'WebM', 'matroska'],
    ['\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska', 'Matroska', 'matroska'],
    ['GIF89a\x01\0', 'GIF', 'gif'],
    ['RIFF\x10\0\0\0AVI LIST', 'AVI', 'avi'],
    ['RIFF\x10\0\0\0WEBPVP8X\x0a\0\0\0\x02', 'animated WebP', 'webp'],
    [`G${'\0'.repeat(187)}`.repeat(3), 'MPEG transport stream', 'mpegts'],
    [`\0\0\0\0G${'\0'.repeat(187)}`.repeat(3), 'MPEG transport stream', 'mpegts'],
    ['\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0acTL', 'animated PNG', 'apng'],
    ['OggS\0\x02', 'Ogg', 'ogg'],
  ])('%j: %s', (text, name, container) => {
    expect(kindOf(text)).toMatchObject({ name, container })
  })

  test.each([
    ['RIFF\x10\0\0\0WEBPVP8X\x0a\0\0\0\x10', 'WebP picture'],
    ['RIFF\x10\0\0\0WEBPVP8 ', 'WebP picture'],
    ['\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR', 'PNG picture'],
    ['\xff\xd8\xff\xe1', 'JPEG picture'],
    ['\0\0\0\x1cftypavis\0\0\0\0', 'animated AVIF'],
    ['\0\0\0\x1cftypavif\0\0\0\0', 'AVIF picture'],
    ['\0\0\0\x18ftypM4A \0\0\0\0', 'MPEG-4 sound'],
    ['\0\0\0\x18ftypM4B \0\0\0\0', 'MPEG-4 sound'],
    ['\0\0\0\x18ftypF4A \0\0\0\0', 'MPEG-4 sound'],
    ['\0\0\0\x18ftypheic\0\0\0\0', 'HEIF picture'],
    [' \n<!-- hello --><!doctype HTML>', 'web page'],
    ['\xef\xbb\xbf<html lang="en">', 'web page'],
    ['[{"a":1}]', 'JSON'],
    ['#EXTM3U\n#EXTINF:1,', 'playlist'],
    ['ffconcat version 1.0\nfile a.mp4', 'text'],
    ['<?xml version="1.0"?><MPD>', 'text'],
  ])('%j: %s, which is opened by no demuxer', (text, name) => {
    expect(kindOf(text)).toMatchObject({ name })
    expect(kindOf(text)).not.toHaveProperty('container')
  })

  test('anything else: of no kind, and nothing is thrown for bytes of any kind', () => {
    expect(kindOf('')).toBeUndefined()
    expect(kindOf('\0\x01\x02\x03')).toBeUndefined()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        fileKindOf(bytes)
      }),
      { seed: 7 },
    )
  })

  test('never a container where it is a text: playlists lead to other files', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300, unit: 'grapheme-ascii' }), (text) => {
        fc.pre(
          !/^(?:GIF8|RIFF|FLV|OggS|DKIF|nut)|^.{4}(?:ftyp|moov|mdat|free|skip|wide|pnot|styp|moof|sidx|uuid)/s.test(
            text,
          ),
        )
        expect(kindOf(text)?.container).toBeUndefined()
      }),
      { seed: 7 },
    )
  })
})
