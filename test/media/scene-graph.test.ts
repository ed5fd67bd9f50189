import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cameraPath, levelFrame, sceneGraph } from '../../src/media/scene-graph.ts'

const formats = fc.record({
  width: fc.integer({ min: 32, max: 1920 }).map((half) => 2 * half),
  height: fc.integer({ min: 32, max: 1080 }).map((half) => 2 * half),
  fps: fc.constantFrom(24, 25, 30, 60),
})
const frameCounts = fc.integer({ min: 1, max: 1200 })
const planes = fc.constantFrom('luma', 'chroma')

describe('the camera', () => {
  it('starts with the first frame, ends with the last, and never goes back', () => {
    fc.assert(
      fc.property(planes, formats, frameCounts, fc.nat(9), (plane, format, frames, position) => {
        const path = cameraPath(plane, format, frames, position)
        const times = Array.from({ length: path.last + 1 }, (_, level) => levelFrame(path, level))
        expect(times[0]).toBeCloseTo(0, 6)
        expect(times.at(-1)).toBeCloseTo(Math.max(frames - 1, 1), 6)
        for (const [level, time] of times.entries())
          expect(time).toBeGreaterThanOrEqual(times[level - 1] ?? 0)
      }),
    )
  })

  it('comes as near in a short scene as in a long one, or neighbours would not meet', () => {
    fc.assert(
      fc.property(planes, formats, frameCounts, frameCounts, (plane, format, one, other) => {
        const near = cameraPath(plane, format, one, 0)
        expect(cameraPath(plane, format, other, 1)).toMatchObject({ farSide: near.farSide, span: near.span })
      }),
    )
  })

  it('pushes in and pulls out by turns', () => {
    const directions = [0, 1, 2, 3].map(
      (at) => cameraPath('luma', { width: 640, height: 360, fps: 24 }, 48, at).pushesIn,
    )
    expect(directions).toEqual([true, false, true, false])
  })

  it('takes luma and chroma the same way, and grows equally on all sides', () => {
    fc.assert(
      fc.property(formats, frameCounts, (format, frames) => {
        const luma = cameraPath('luma', format, frames, 0)
        const chroma = cameraPath('chroma', format, frames, 0)
        expect(chroma.span / chroma.farSide).toBeCloseTo(luma.span / luma.farSide, 12)
        for (const path of [luma, chroma]) {
          expect(Number.isInteger(path.farSide) && path.span % 2 === 0 && path.step % 2 === 0).toBe(true)
          expect(path.last).toBeLessThanOrEqual(Math.max(frames, 1))
        }
      }),
    )
  })
})

describe('the graph', () => {
  it('names every input once, and gives [v]', () => {
    fc.assert(
      fc.property(
        formats,
        frameCounts,
        fc.nat(9),
        fc.constantFrom(1 as const, 2 as const),
        fc.constantFrom('cut', 'fade', 'slide'),
        fc.constantFrom('crop', 'letterbox', 'blur'),
        (format, frames, position, images, transition, fit) => {
          const graph = sceneGraph({ format, frames, position, images, transition, fit, titleHeight: null })
          expect(graph.match(/\[0:v\]/g)).toHaveLength(1)
          expect(graph.match(/\[1:v\]/g) ?? []).toHaveLength(images - 1)
          expect(graph.endsWith('[v]')).toBe(true)
          expect(graph).not.toMatch(/NaN|Infinity|undefined|e-\d/)
          // One argument of a command line is 128 KB at most.
          expect(graph.length).toBeLessThan(20_000)
        },
      ),
    )
  })

  it('is the same each time', () => {
    const request = {
      format: { width: 640, height: 360, fps: 24 },
      frames: 48,
      position: 0,
      images: 2,
      transition: 'fade',
      fit: 'blur',
      titleHeight: null,
    } as const
    expect(sceneGraph(request)).toBe(sceneGraph(request))
  })
})
