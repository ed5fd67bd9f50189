import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { cellSamples, planTimeline, type Seam, type TimelineRequest } from '../../src/job/timeline.ts'

const seamArbitrary: fc.Arbitrary<Seam> = fc.oneof(
  fc.constant<Seam>({ transition: 'cut', overlapFrames: 0 }),
  fc.record({
    transition: fc.constantFrom('fade' as const, 'slide' as const),
    overlapFrames: fc.integer({ min: 1, max: 40 }),
  }),
)

const requestArbitrary: fc.Arbitrary<TimelineRequest> = fc
  .record({
    fps: fc.constantFrom(24, 25, 30, 60),
    seams: fc.array(seamArbitrary, { maxLength: 30 }),
    last: fc.integer({ min: 1, max: 200 }),
  })
  .chain(({ fps, seams, last }) =>
    fc.tuple(...seams.map(() => fc.integer({ min: 1, max: 200 }))).map((own) => ({
      fps,
      seams,
      clips: [...own, last].map(
        (count, index) => count + (seams[index - 1]?.overlapFrames ?? 0) + (seams[index]?.overlapFrames ?? 0),
      ),
    })),
  )

const sum = (numbers: number[]): number => numbers.reduce((one, other) => one + other, 0)

const property = (check: (request: TimelineRequest) => void): void =>
  fc.assert(fc.property(requestArbitrary, check), { seed: 7, numRuns: 300 })

test('a film is as long as its clips less their overlaps, and its parts make it up frame by frame', () => {
  property((request) => {
    const timeline = planTimeline(request)
    expect(timeline.frames).toBe(
      sum([...request.clips]) - sum(request.seams.map((seam) => seam.overlapFrames)),
    )
    expect(timeline.samples).toBe((timeline.frames * 48_000) / request.fps)
    expect(sum(timeline.parts.map((part) => part.toFrame - part.fromFrame))).toBe(timeline.frames)
    expect(timeline.parts.filter((part) => part.kind === 'clip')).toHaveLength(request.clips.length)
  })
})

test('each packet of the sound is taken once, in order, from a file that holds it', () => {
  property((request) => {
    const { parts, clips, cells, samples } = planTimeline(request)
    let next = 0
    for (const part of parts) {
      expect(part.firstCell).toBe(next)
      expect(part.endCell).toBeGreaterThanOrEqual(part.firstCell)
      next = part.endCell
      const place = clips[part.index]!
      if (part.kind === 'clip' && part.endCell > part.firstCell) {
        expect(part.firstCell).toBeGreaterThanOrEqual(place.firstCell)
        expect(part.endCell).toBeLessThanOrEqual(place.endCell)
      }
    }
    expect(next).toBe(cells)
    expect(cells * cellSamples - samples).toBeLessThan(cellSamples)
  })
})

test('where the packets of two clips meet at a cut, the cell they share is silent in both', () => {
  property((request) => {
    const { parts, clips } = planTimeline(request)
    for (const [at, part] of parts.entries()) {
      const following = parts[at + 1]
      if (following === undefined || part.kind === 'seam' || following.kind === 'seam') continue
      const shared = following.firstCell * cellSamples
      expect(clips[part.index]!.quietFrom).toBe(shared)
      expect(clips[following.index]!.quietUntil).toBe(shared + cellSamples)
    }
  })
})

test('a cross-fade is never inside a cell shared with the packets of a clip, if the clip has room', () => {
  const { parts } = planTimeline({
    fps: 24,
    clips: [48, 48, 48],
    seams: [
      { transition: 'fade', overlapFrames: 12 },
      { transition: 'slide', overlapFrames: 6 },
    ],
  })
  const fade = parts[1]!
  expect(fade).toMatchObject({ kind: 'seam', index: 0, toFrame: 12 })
  expect((fade.firstCell + 1) * cellSamples).toBeLessThanOrEqual(36 * 2000)
  expect(fade.endCell * cellSamples).toBeGreaterThanOrEqual(48 * 2000)
})

test('a clip must be cuttable where its seams begin and end', () => {
  const { clips } = planTimeline({
    fps: 30,
    clips: [60, 90, 60],
    seams: [
      { transition: 'fade', overlapFrames: 15 },
      { transition: 'cut', overlapFrames: 0 },
    ],
  })
  expect(clips.map((clip) => clip.keyframes)).toEqual([[0, 45], [0, 15], [0]])
  expect(clips.map((clip) => clip.startFrame)).toEqual([0, 45, 135])
})

test.each([
  [{ fps: 29.97, clips: [24], seams: [] }, /not a whole number of samples/],
  [{ fps: 24, clips: [], seams: [] }, /at least one clip/],
  [{ fps: 24, clips: [24, 24], seams: [] }, /1 seams, not 0/],
  [{ fps: 24, clips: [24, 24], seams: [{ transition: 'fade', overlapFrames: 0 }] }, /a fade of 0 frames/],
  [
    { fps: 24, clips: [24, 24], seams: [{ transition: 'fade', overlapFrames: 24 }] },
    /clip 0 has 24 frames, but its seams use/,
  ],
] as [TimelineRequest, RegExp][])('an impossible film is refused: %j', (request, reason) => {
  expect(() => planTimeline(request)).toThrow(reason)
})
