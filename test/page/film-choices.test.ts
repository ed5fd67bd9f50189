/** The rules of the page that makes a film: names of files, lengths, the request, and whose problem is whose. */
import { describe, expect, it } from 'vitest'
import { type Choices, choicesFrom, fieldFor, firstChoices, requestOf } from '../../page/src/film/choices.ts'
import { type Photograph, arranged, sameBefore } from '../../page/src/film/photograph.ts'
import { roomIn } from '../../page/src/film/room-name.ts'
import { readCatalogue } from '../../src/job/catalogue.ts'
import { parseJobRequest } from '../../src/job/request.ts'
import { planStoryboard } from '../../src/job/storyboard.ts'

const photograph = (id: string, part: Partial<Photograph> = {}): Photograph => ({
  id,
  name: `${id}.jpg`,
  room: '',
  bytes: 1,
  state: 'ready',
  sent: 1,
  asset: id.repeat(64).slice(0, 64),
  url: undefined,
  error: undefined,
  ...part,
})

describe('the room in a file’s name', () => {
  it.each([
    ['living-room.jpg', 'Living room'],
    ['02_living_room.JPG', 'Living room'],
    ['LivingRoom.webp', 'Living room'],
    ['bedroom 2.png', 'Bedroom'],
    ['kitchen (1).jpg', 'Kitchen'],
    ['Küche.heic', 'Küche'],
    ['garden.pool.avif', 'Garden pool'],
    ['photo-of-the-garden.jpg', 'Photo of the garden'],
  ])('%s is %s', (name, room) => expect(roomIn(name)).toBe(room))

  it.each([
    'IMG_2041.jpg',
    'IMG20240501123456.jpg',
    'DSC01234.JPG',
    'DSCF0001.jpg',
    'PXL_20240501_123456789.jpg',
    'P1000123.JPG',
    'DJI_0042.jpg',
    '20240501_123456.jpg',
    'WhatsApp Image 2024-05-01 at 12.34.56.jpeg',
    'Screenshot 2024-05-01 at 12.34.56.png',
    'Bildschirmfoto 2024-05-01 um 12.34.56.png',
    'image.png',
    'image (3).png',
    '01.jpg',
    '3f2504e0-4f89-11d3-9a0c-0305e82c3301.jpg',
    '.jpg',
  ])('%s names none', (name) => expect(roomIn(name)).toBeUndefined())
})

describe('the length of the whole film', () => {
  it.each([
    [20, 4, 'fade', 'property_photos'],
    [20, 4, 'cut', 'property_photos'],
    [3, 4, 'fade', 'property_photos'],
    [30, 1, 'fade', 'property_photos'],
    [20, 4, 'fade', 'image_pairs'],
  ] as const)('of %d s in %d scenes (%s, %s) is what the server plans', (film, scenes, transition, type) => {
    const choices = { ...firstChoices, type, transition, lengthOf: 'film', seconds: String(film) } as const
    const all = ['a', 'b', 'c', 'd', 'e'].slice(0, type === 'image_pairs' ? scenes + 1 : scenes)
    const request = requestOf(
      all.map((id) => photograph(id)),
      choices,
    )
    const planned = planStoryboard(parseJobRequest(request), readCatalogue())
    expect(planned.scenes).toHaveLength(scenes)
    expect(Math.abs(planned.total_duration - film)).toBeLessThan(0.25)
  })
})

describe('the request', () => {
  const all = [photograph('a', { room: ' Kitchen ' }), photograph('b', { state: 'sending' }), photograph('c')]

  it('names the photographs that have arrived, in their order', () => {
    expect(requestOf(all, firstChoices)).toMatchObject({
      type: 'property_photos',
      parameters: {
        photos: [{ asset_id: all[0]!.asset, room: 'Kitchen' }, { asset_id: all[2]!.asset }],
        photo_order: 'visit',
        clip_duration: 5,
      },
    })
    expect(requestOf([all[1]!], firstChoices)).toBeUndefined()
    expect(requestOf([all[0]!], { ...firstChoices, type: 'image_pairs' })).toBeUndefined()
  })

  it('leaves to the server what was not chosen', () => {
    const request = requestOf(all, { ...firstChoices, seconds: '', priority: ' ' })
    expect(Object.keys(request!)).toEqual(['type', 'parameters'])
    expect(request!.parameters).not.toHaveProperty('clip_duration')
    expect(request!.parameters).not.toHaveProperty('client_id')
  })

  it('has its problems told at the field that holds them', () => {
    expect(fieldFor('parameters.clip_duration', all)).toBe('seconds')
    expect(fieldFor('deadline_at', all)).toBe('deadlineAt')
    expect(fieldFor('parameters.photos[1].room', all)).toBe('room-c')
    expect(fieldFor('parameters.images[0]', all)).toBe('photograph-a')
    expect(fieldFor('parameters.photos[7]', all)).toBe('photographs')
    expect(fieldFor('storyboard', all)).toBe('other')
  })
})

it('a draft of an earlier page keeps what is still understood', () => {
  const kept: Choices = { ...firstChoices, name: 'Kept', shape: '1:1' }
  expect(choicesFrom({ ...kept, fps: 23, audio: 'yes', gone: 1 })).toEqual(kept)
})

it('photographs are put in the order of the plan, and the same ones are named', () => {
  const [one, two, again] = [
    photograph('a'),
    photograph('b'),
    photograph('c', { asset: photograph('a').asset }),
  ]
  const all = [two, one, again]
  expect(arranged(all, [one.asset!, two.asset!, one.asset!])).toEqual([one, two, again])
  expect(arranged([one, two], [one.asset!])).toEqual([one, two])
  expect(all.map((_, index) => sameBefore(all, index))).toEqual([undefined, undefined, 2])
})
