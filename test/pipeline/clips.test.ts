/** Whose fault it is that a paid clip can't be taken: its own, which another try does not mend, or FFmpeg's. */
import { expect, test } from 'vitest'
import type { ArtifactStore } from '../../src/artifact/artifact.ts'
import { excess, MediaError, type MediaErrorCode } from '../../src/media/ffmpeg.ts'
import { createClips } from '../../src/pipeline/clips.ts'
import type { Studio } from '../../src/pipeline/studio.ts'

const taking = (code: MediaErrorCode) => {
  const verifyClip = () => Promise.reject(new MediaError(code, 'no end'))
  const inWorkspace: Studio['inWorkspace'] = (use) =>
    use({ directory: '/', localPath: () => Promise.resolve('/clip'), remove: () => Promise.resolve() })
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- no other part is used
  const parts = { artifacts: {}, studio: { media: { verifyClip }, inWorkspace } } as unknown as {
    artifacts: ArtifactStore
    studio: Studio
  }
  return createClips(parts).take('clip', 5, new AbortController().signal)
}

test.each(['failed', 'too_long'] as const)('a clip on which FFmpeg ends with %s is refused', async (code) => {
  expect(await taking(code)).toEqual({
    kind: 'failed',
    failure: { code: `clip_${code}`, reason: 'no end' },
  })
})

test.each(['killed', 'hung', 'disk_full', 'unusable', 'cancelled'] as const)(
  'a clip on which FFmpeg ends with %s is tried again',
  async (code) => {
    await expect(taking(code)).rejects.toMatchObject({ code })
  },
)

test('few pictures that are huge are too much, as are too many small ones; minutes of 4K are not', () => {
  expect(excess(1600, 1600 * 8000 * 8000)).toMatch(/more than 100 billion pixels/)
  expect(excess(60_001, 60_001)).toMatch(/more than 60000 pictures/)
  expect(excess(60 * 24 * 5, 60 * 24 * 5 * 3840 * 2160)).toBeNull()
})
