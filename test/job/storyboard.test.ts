import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readCatalogue } from '../../src/job/catalogue.ts'
import { type FieldProblem, RefusedError } from '../../src/job/errors.ts'
import { aspectRatios, frameFormat, frameRates, framesOf, resolutions } from '../../src/job/format.ts'
import { freeMembers, maxScenes, parseJobRequest } from '../../src/job/request.ts'
import { roomRank, roomTitle } from '../../src/job/room.ts'
import { planStoryboard, seamsOf } from '../../src/job/storyboard.ts'
import { planTimeline } from '../../src/job/timeline.ts'

const asset = (index: number): string => index.toString(16).padStart(64, '0')
const plan = (request: unknown) => planStoryboard(parseJobRequest(request), readCatalogue())
/** What is wrong with a request; nothing where it is accepted. */
const told = (request: unknown): readonly FieldProblem[] => {
  try {
    plan(request)
    return []
  } catch (error) {
    if (error instanceof RefusedError && error.refusal.code === 'invalid') return error.refusal.problems
    throw error
  }
}

const problems = (request: unknown): unknown => {
  const found = told(request)
  return found.length === 0 ? 'accepted' : found.map(({ field }) => field)
}

describe('image pairs', () => {
  it('make a scene from each picture to the next', () => {
    const { scenes, total_duration } = plan({
      type: 'image_pairs',
      parameters: { images: [asset(1), asset(2), asset(3)], clip_duration: 4, title: 'Hello' },
    })
    expect(scenes.map(({ asset_ids, title }) => [asset_ids, title])).toEqual([
      [[asset(1), asset(2)], 'Hello'],
      [[asset(2), asset(3)], null],
    ])
    // Scenes that meet in the same picture need no cross-fade, and so lose no time.
    expect(total_duration).toBe(8)
  })

  it('may be given as pairs, which cross-fade where they do not meet', () => {
    const { scenes, total_duration } = plan({
      type: 'image_pairs',
      parameters: {
        pairs: [
          [asset(1), asset(2)],
          [asset(3), asset(4)],
        ],
        clip_duration: 4,
      },
    })
    expect(scenes.map(({ asset_ids }) => asset_ids)).toEqual([
      [asset(1), asset(2)],
      [asset(3), asset(4)],
    ])
    expect(total_duration).toBe(7.5)
  })
})

describe('property photos', () => {
  it('are shown in the order in which one walks through a house, and in the given order within a room', () => {
    const rooms = [
      'Garden',
      'Bathroom',
      'kitchen',
      undefined,
      'Master Bedroom',
      'bedroom 2',
      'Exterior',
      'living_room',
      'Living Room 2',
      'wine lab',
      'Entrance hall',
      'Floor plan',
    ]
    const { scenes } = plan({
      type: 'property_photos',
      parameters: { photos: rooms.map((room, index) => ({ asset_id: asset(index), ...(room && { room }) })) },
    })
    expect(scenes.map(({ title }) => title)).toEqual([
      'Exterior',
      'Entrance hall',
      'Living room',
      'Living Room 2',
      'Kitchen',
      'Master Bedroom',
      'Bedroom 2',
      'Bathroom',
      null,
      'Wine lab',
      'Garden',
      'Floor plan',
    ])
  })

  it('keep the given order where the request wants that', () => {
    const photos = ['garden', 'kitchen', 'exterior'].map((room, index) => ({ asset_id: asset(index), room }))
    const { scenes } = plan({ type: 'property_photos', parameters: { photos, photo_order: 'given' } })
    expect(scenes.map(({ title }) => title)).toEqual(['Garden', 'Kitchen', 'Exterior'])
    expect(problems({ type: 'property_photos', parameters: { photos, photo_order: 'random' } })).toEqual([
      'parameters.photo_order',
    ])
  })

  it('take any name for a room', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (room) => {
        expect(Number.isInteger(roomRank(room))).toBe(true)
        expect(typeof roomTitle(room)).toBe('string')
      }),
      { seed: 1 },
    )
  })
})

describe('a storyboard given by the caller', () => {
  it('is taken instead of the planned one, with the parameters for what it leaves out', () => {
    const { scenes } = plan({
      type: 'property_photos',
      parameters: { clip_duration: 3, prompt: 'slowly' },
      storyboard: {
        scenes: [
          { asset_ids: [asset(1)], title: 'First', duration: 2, transition: 'cut' },
          { asset_ids: [asset(1), asset(2)], prompt: 'fast', model: 'local' },
        ],
      },
    })
    const free = { render: null, price_micros: 0, notes: [] }
    expect(scenes).toEqual([
      {
        title: 'First',
        prompt: 'slowly',
        duration: 2,
        asset_ids: [asset(1)],
        transition: 'cut',
        model: 'local',
        ...free,
      },
      {
        title: null,
        prompt: 'fast',
        duration: 3,
        asset_ids: [asset(1), asset(2)],
        transition: 'fade',
        model: 'local',
        ...free,
      },
    ])
  })
})

describe('a film', () => {
  it('is as long as its plan says, whatever the scenes', () => {
    const scene = fc.record({
      duration: fc.double({ min: 0.5, max: 6, noNaN: true }),
      asset_ids: fc.array(fc.nat(3).map(asset), { minLength: 1, maxLength: 2 }),
      transition: fc.constantFrom('fade', 'slide', 'cut'),
    })
    fc.assert(
      fc.property(
        fc.array(scene, { minLength: 1, maxLength: 12 }),
        fc.constantFrom(...frameRates),
        (scenes, fps) => {
          const planned = plan({ type: 'image_pairs', parameters: { fps }, storyboard: { scenes } })
          const timeline = planTimeline({
            fps,
            clips: planned.scenes.map(({ duration }) => framesOf(duration, fps)),
            seams: seamsOf(planned.scenes, fps),
          })
          expect(planned.total_duration).toBe(timeline.frames / fps)
          expect(timeline.frames).toBeGreaterThan(0)
        },
      ),
      { seed: 2, numRuns: 200 },
    )
  })

  it('has even sides whose shorter one the resolution names', () => {
    for (const resolution of resolutions)
      for (const ratio of aspectRatios) {
        const { width, height } = frameFormat(resolution, ratio, 24)
        expect([width % 2, height % 2, Math.min(width, height)]).toEqual([
          0,
          0,
          Number.parseInt(resolution, 10),
        ])
      }
    expect(frameFormat('720p', '16:9', 24)).toEqual({ width: 1280, height: 720, fps: 24 })
    expect(frameFormat('1080p', '9:16', 30)).toEqual({ width: 1080, height: 1920, fps: 30 })
  })
})

describe('a request', () => {
  const images = [asset(1), asset(2)]
  it.each([
    [{}, ['type']],
    [{ type: 'music_video' }, ['type']],
    [{ type: 'image_pairs' }, ['parameters']],
    [{ type: 'image_pairs', parameters: {} }, ['parameters.images']],
    [{ type: 'image_pairs', parameters: { images: [asset(1)] } }, ['parameters.images']],
    [{ type: 'image_pairs', parameters: { images, pairs: [images] } }, ['parameters']],
    [{ type: 'image_pairs', parameters: { images: [asset(1), 'A'.repeat(64)] } }, ['parameters.images[1]']],
    [{ type: 'property_photos', parameters: { photos: [] } }, ['parameters.photos']],
    [
      { type: 'property_photos', parameters: { photos: [{ asset_id: asset(1), rom: 'x' }] } },
      ['parameters.photos[0]'],
    ],
    [{ type: 'image_pairs', parameters: { images, clip_duration: -1 } }, ['parameters.clip_duration']],
    [{ type: 'image_pairs', parameters: { images, clip_duration: 1e9 } }, ['parameters.clip_duration']],
    [{ type: 'image_pairs', parameters: { images, fps: 23 } }, ['parameters.fps']],
    [{ type: 'image_pairs', parameters: { images, title: 'a\u0007b' } }, ['parameters.title']],
    [{ type: 'image_pairs', parameters: { images }, storyboard: { scenes: [] } }, ['storyboard.scenes']],
    [{ type: 'image_pairs', parameters: { images }, priority: 101 }, ['priority']],
    [{ type: 'image_pairs', parameters: { images }, campaign_id: 1 }, ['']],
    [
      {
        type: 'image_pairs',
        parameters: {},
        storyboard: { scenes: Array.from({ length: maxScenes + 1 }, () => ({ asset_ids: images })) },
      },
      ['storyboard.scenes'],
    ],
    [
      {
        type: 'image_pairs',
        parameters: {},
        storyboard: {
          scenes: Array.from({ length: maxScenes }, () => ({ asset_ids: images, duration: 60 })),
        },
      },
      ['storyboard.scenes'],
    ],
  ])('%# that is wrong is refused by the field', (request, fields) => {
    expect(problems(request)).toEqual(fields)
  })

  it('tells all that is wrong at once', () => {
    expect(
      problems({ type: 'image_pairs', parameters: { images, fps: 7, resolution: '8k' }, video_name: '' }),
    ).toEqual(['parameters.resolution', 'parameters.fps', 'video_name'])
  })

  it.each([
    [{ resolutoin: '720p' }, 'parameters.resolutoin', 'Did you mean resolution?'],
    [{ clipDuration: 5 }, 'parameters.clipDuration', 'Did you mean clip_duration?'],
    [{ 'Aspect-Ratio': '16:9' }, 'parameters.Aspect-Ratio', 'Did you mean aspect_ratio?'],
    [{ clientId: 'acme' }, 'parameters.clientId', 'in parameters.metadata'],
    [{ titel: 'x' }, 'parameters.titel', 'Did you mean title?'],
  ])('with a slip of the pen in its parameters is refused with what was meant: %j', (slip, field, words) => {
    const [problem, ...others] = told({ type: 'image_pairs', parameters: { images, ...slip } })
    expect(problem).toEqual({ field, reason: expect.stringContaining(words) })
    expect(others).toEqual([])
  })

  it('with a slip of the pen in a nested member is told the right one', () => {
    const photos = [{ asset_id: asset(1), rooom: 'kitchen' }]
    const scenes = [{ asset_ids: images, durration: 5 }]
    expect(told({ type: 'property_photos', parameters: { photos } })).toEqual([
      { field: 'parameters.photos[0]', reason: 'unknown member "rooom". Did you mean "room"?' },
    ])
    expect(told({ type: 'image_pairs', parameters: {}, storyboard: { scenes } })).toEqual([
      { field: 'storyboard.scenes[0]', reason: 'unknown member "durration". Did you mean "duration"?' },
    ])
    expect(told({ type: 'image_pairs', parameters: { images }, priorty: 1 })).toEqual([
      { field: '', reason: 'unknown member "priorty". Did you mean "priority"?' },
    ])
    expect(told({ type: 'image_pairs', parameters: { images }, campaign: 1 })).toEqual([
      { field: '', reason: 'unknown member "campaign": put fields of your own in parameters' },
    ])
  })

  it('takes anything under metadata, and lists by the plain values there too', () => {
    const metadata = { resolutoin: 'mine', model: 'T', client_id: 'eve', campaign_id: 'b', deep: {} }
    const request = parseJobRequest({
      type: 'image_pairs',
      parameters: { images, campaign_id: 'a', metadata },
    })
    expect(request.parameters).toMatchObject({ metadata })
    expect(freeMembers(request)).toEqual({
      campaign_id: 'a',
      resolutoin: 'mine',
      model: 'T',
      'metadata.client_id': 'eve',
    })
    for (const other of ['text', 7, null, ['x']])
      expect(
        freeMembers(parseJobRequest({ type: 'image_pairs', parameters: { images, metadata: other } })),
      ).not.toHaveProperty('0')
  })

  it('keeps free members of parameters as they are, and lists by the plain ones', () => {
    const free = {
      campaign_id: 7,
      client_id: 'é "x"',
      approved: true,
      nested: { deep: [1, null] },
      images_note: '',
    }
    const request = parseJobRequest({ type: 'image_pairs', parameters: { images, ...free } })
    expect(request.parameters).toEqual({ images, ...free })
    expect(freeMembers(request)).toEqual({
      campaign_id: '7',
      client_id: 'é "x"',
      approved: 'true',
      images_note: '',
    })
  })

  it('is never answered by anything but a plan or a refusal', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 4 }),
        fc.constantFrom('image_pairs', 'property_photos'),
        (value, type) => {
          for (const request of [
            value,
            { type, parameters: value },
            { type, parameters: {}, storyboard: value },
          ])
            problems(request)
        },
      ),
      { seed: 3, numRuns: 500 },
    )
  })
})
