import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  CatalogueError,
  modelsOf,
  priceOf,
  readCatalogue,
  renderInput,
  settle,
  type Offer,
  type Settlement,
  type Wish,
} from '../../src/job/catalogue.ts'
import {
  type AspectRatio,
  aspectRatios,
  frameFormat,
  type Resolution,
  resolutions,
} from '../../src/job/format.ts'

const builtIn = readCatalogue()
const film = (resolution: Resolution, aspectRatio: AspectRatio = '16:9') =>
  frameFormat(resolution, aspectRatio, 24)

const wish = (model: string, wished: Partial<Wish> = {}): Wish => ({
  model,
  duration: 6,
  images: 1,
  title: null,
  format: film('720p'),
  audio: false,
  ...wished,
})

const settled = (model: string, wished?: Partial<Wish>, catalogue = builtIn) => {
  const settlement = settle(catalogue, wish(model, wished))
  if (!settlement.ok) throw new Error(`${settlement.member} ${settlement.reason}`)
  return settlement
}

const refusal = (model: string, wished?: Partial<Wish>, catalogue = builtIn): Settlement => {
  const settlement = settle(catalogue, wish(model, wished))
  if (settlement.ok) throw new Error('was settled')
  return settlement
}

/** A book of one model, as an operator writes it. */
const own = (offers: readonly Partial<Offer>[], model: object = {}) => ({
  version: 'own-1',
  currency: 'USD',
  models: {
    'us/ours': {
      renderer: 'replicate',
      input: { prompt: '{prompt}', image: '{first_image}', last: '{last_image}', length: '{seconds}' },
      offers: offers.map((offer) => ({
        resolution: '720p',
        short_side: 720,
        seconds: [5],
        last_image: false,
        audio: false,
        ...offer,
      })),
      ...model,
    },
  },
})

const seed = 1_234_567_890

describe('this machine', () => {
  it('renders any length for nothing, and says that it makes no sound', () => {
    const wished = { duration: 3.7, images: 2, title: 'Garden', format: film('1080p', '1:1') } as const
    const free = { ok: true, duration: 3.7, render: null, priceMicros: 0, notes: [] }
    expect(settle(builtIn, wish('local', wished))).toEqual(free)
    expect(settled('local', { audio: true }).notes).toEqual(['audio is ignored: local renders no sound'])
  })
})

describe('a wish', () => {
  it('that a model meets as it is, is settled without a word', () => {
    expect(settled('minimax/hailuo-02', { format: film('1080p') })).toEqual({
      ok: true,
      duration: 6,
      render: { seconds: 6, resolution: '1080p', aspect_ratio: '16:9', audio: false },
      priceMicros: 480_000,
      notes: [],
    })
  })

  it('is rounded up to the next rung, and told', () => {
    expect(settled('google/veo-3.1', { duration: 5 })).toMatchObject({
      duration: 6,
      priceMicros: 1_200_000,
      notes: ['5 s rounded up to 6 s (google/veo-3.1 offers 4, 6 or 8 s)'],
    })
    expect(settled('minimax/hailuo-2.3', { duration: 6.5 })).toMatchObject({
      duration: 10,
      priceMicros: 560_000,
      notes: [
        '6.5 s rounded up to 10 s (minimax/hailuo-2.3 offers 6 or 10 s)',
        'the film is 720p; minimax/hailuo-2.3 renders it at 768p',
      ],
    })
  })

  it('for a smaller film than the model has is rendered larger, and told', () => {
    const { render, notes } = settled('google/veo-3.1-fast', { format: film('480p', '9:16') })
    expect(render).toMatchObject({ resolution: '720p', aspect_ratio: '9:16' })
    expect(notes).toEqual(['the film is 480p; google/veo-3.1-fast renders it at 720p'])
  })

  it('for sound takes the offer with sound, at its price', () => {
    expect(settled('google/veo-3.1', { audio: true, duration: 8 })).toMatchObject({
      render: { audio: true },
      priceMicros: 3_200_000,
      notes: [],
    })
    expect(settled('google/veo-3.1', { duration: 8 }).priceMicros).toBe(1_600_000)
  })

  it('for silence takes a model that always makes sound, and says so', () => {
    const catalogue = readCatalogue(own([{ audio: true }]))
    const { render, notes } = settled('us/ours', { duration: 5 }, catalogue)
    expect(render).toMatchObject({ audio: true })
    expect(notes).toEqual(['audio cannot be turned off: us/ours always renders sound'])
  })

  it('with a title is told that the title is not written', () => {
    expect(settled('google/veo-3.1', { title: 'The garden' }).notes).toEqual([
      'the title "The garden" will not appear: google/veo-3.1 cannot draw text',
    ])
  })

  it('with a last image takes the mode that a last image needs, and says so', () => {
    const one = settled('kwaivgi/kling-v2.1', { duration: 5 })
    expect(one).toMatchObject({ render: { resolution: '720p' }, priceMicros: 250_000, notes: [] })
    const two = settled('kwaivgi/kling-v2.1', { duration: 5, images: 2 })
    expect(two).toMatchObject({ render: { resolution: '1080p' }, priceMicros: 450_000 })
    expect(two.notes).toEqual([
      'the film is 720p; kwaivgi/kling-v2.1 with a last image renders it at 1080p (mode pro)',
    ])
    expect(settled('minimax/hailuo-02', { images: 2, format: film('480p') }).render?.resolution).toBe('768p')
  })

  it('takes the shorter clip before the cheaper one before the smaller one, and an unknown price last', () => {
    const catalogue = readCatalogue(
      own([
        { seconds: [10], usd_per_clip: 0.1 },
        { resolution: 'a', seconds: [6] },
        { resolution: 'b', seconds: [6], usd_per_clip: 9 },
        { resolution: 'c', seconds: [6], short_side: 1440, usd_per_clip: 8 },
        { resolution: 'd', seconds: [6], short_side: 1080, usd_per_clip: 8 },
      ]),
    )
    expect(settled('us/ours', { duration: 6 }, catalogue)).toMatchObject({
      render: { resolution: 'd' },
      priceMicros: 8_000_000,
    })
  })

  it('whose price is unknown is not taken for free', () => {
    const catalogue = readCatalogue(own([{}]))
    expect(settled('us/ours', { duration: 5 }, catalogue).priceMicros).toBeNull()
  })
})

describe('a wish is refused, with what the model can do,', () => {
  it('where nobody knows the model', () => {
    expect(refusal('veo')).toEqual({
      ok: false,
      member: 'model',
      reason: `must be one of local, ${modelsOf(builtIn).join(', ')}`,
    })
  })

  it('where the model makes no sound', () => {
    expect(refusal('minimax/hailuo-02', { audio: true })).toMatchObject({
      member: 'model',
      reason: 'must be google/veo-3.1 or google/veo-3.1-fast for sound: minimax/hailuo-02 renders no sound',
    })
  })

  it('where the model has no such aspect ratio', () => {
    expect(refusal('google/veo-3.1', { format: film('720p', '1:1') })).toMatchObject({
      member: 'aspect_ratio',
      reason: 'must be 16:9 or 9:16 for google/veo-3.1',
    })
  })

  it('where the model takes no last image', () => {
    expect(refusal('minimax/hailuo-2.3', { images: 2 })).toMatchObject({
      member: 'asset_ids',
      reason: 'must contain one image for minimax/hailuo-2.3: it accepts no last image',
    })
  })

  it.each([
    [
      'google/veo-3.1',
      8,
      '720p',
      'for google/veo-3.1 in a 720p film: it offers 4, 6 or 8 s at 720p or 1080p',
    ],
    [
      'minimax/hailuo-02',
      6,
      '1080p',
      'for minimax/hailuo-02 in a 1080p film: it offers 6 s at 512p or 1080p; 6 or 10 s at 768p',
    ],
    [
      'minimax/hailuo-2.3',
      6,
      '1080p',
      'for minimax/hailuo-2.3 in a 1080p film: it offers 6 or 10 s at 768p; 6 s at 1080p',
    ],
    [
      'minimax/hailuo-02',
      10,
      '360p',
      'for minimax/hailuo-02 in a 360p film: it offers 6 s at 512p or 1080p; 6 or 10 s at 768p',
    ],
    [
      'kwaivgi/kling-v2.1',
      10,
      '1080p',
      'for kwaivgi/kling-v2.1 in a 1080p film: it offers 5 or 10 s at 720p or 1080p',
    ],
  ] as const)('where %s renders at most %i s at %s', (model, most, resolution, can) => {
    const format = film(resolution)
    expect(settled(model, { duration: most, format }).duration).toBe(most)
    expect(refusal(model, { duration: most + 0.5, format })).toMatchObject({
      member: 'duration',
      reason: `must be at most ${most} ${can}`,
    })
  })

  it('where the film is larger than the model renders, from as many images', () => {
    const catalogue = readCatalogue(own([{ last_image: true }, { resolution: '1080p', short_side: 1080 }]))
    const format = film('1080p')
    expect(settled('us/ours', { duration: 5, format }, catalogue).render?.resolution).toBe('1080p')
    expect(refusal('us/ours', { duration: 5, format, images: 2 }, catalogue)).toMatchObject({
      member: 'resolution',
      reason: 'must be at most 720p for us/ours with a last image, which offers 5 s at 720p',
    })
  })
})

describe('any settlement', () => {
  const wishes = fc.record({
    model: fc.constantFrom(...modelsOf(builtIn), 'us/ours'),
    duration: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.double({ min: 0.5, max: 60, noNaN: true })),
    images: fc.constantFrom(1 as const, 2 as const),
    title: fc.option(fc.string()),
    format: fc
      .tuple(fc.constantFrom(...resolutions), fc.constantFrom(...aspectRatios))
      .map(([resolution, aspectRatio]) => film(resolution, aspectRatio)),
    audio: fc.boolean(),
  })
  const catalogue = readCatalogue(
    own([
      { seconds: [3, 5], usd_per_second: 0.07, audio: true },
      { seconds: [3, 9], usd_per_clip: 0.3, resolution: '480p', short_side: 480, last_image: true },
      { seconds: [7], resolution: '1080p', short_side: 1080, last_image: true, audio: true },
    ]),
  )
  const property = (check: (wished: Wish, settlement: Settlement) => void): void =>
    fc.assert(
      fc.property(wishes, (wished) => check(wished, settle(catalogue, wished))),
      { seed: 11, numRuns: 2000 },
    )

  it('is a rung of one offer, never shorter or smaller than wished for, at its price', () => {
    property((wished, settlement) => {
      if (!settlement.ok) return
      const { render, duration, priceMicros } = settlement
      const offers = catalogue.models
        .get(wished.model)!
        .offers.filter(
          ({ resolution, audio, seconds }) =>
            resolution === render!.resolution && audio === render!.audio && seconds.includes(render!.seconds),
        )
      expect(offers).toHaveLength(1)
      const [offer] = offers as [Offer]
      expect(duration).toBe(render!.seconds)
      expect(duration).toBeGreaterThanOrEqual(wished.duration)
      expect(offer.short_side).toBeGreaterThanOrEqual(Math.min(wished.format.width, wished.format.height))
      expect(offer.last_image || wished.images === 1).toBe(true)
      expect(offer.audio || !wished.audio).toBe(true)
      // In tenths of a cent, so that the expectation has no float dust of its own.
      const usd = offer.usd_per_clip ?? (Math.round(offer.usd_per_second! * 1000) * duration) / 1000
      expect(priceMicros).toBe(Number.isNaN(usd) ? null : Math.round(usd * 1e6))
      expect(priceOf(catalogue, wished.model, render!)).toBe(priceMicros)
    })
  })

  it('notes what differs from the wish, and only that', () => {
    property((wished, settlement) => {
      if (!settlement.ok) return
      const shortSide = Math.min(wished.format.width, wished.format.height)
      const offer = catalogue.models
        .get(wished.model)!
        .offers.find(({ resolution }) => resolution === settlement.render!.resolution)!
      const differences = [
        settlement.duration !== wished.duration,
        offer.short_side !== shortSide,
        settlement.render!.audio !== wished.audio,
        wished.title !== null,
      ]
      expect(settlement.notes).toHaveLength(differences.filter(Boolean).length)
    })
  })

  it('is refused only where no offer meets the wish, with a reason', () => {
    property((wished, settlement) => {
      if (settlement.ok) return
      expect(settlement.reason).toMatch(/^must /)
      const { offers, aspect_ratios } = catalogue.models.get(wished.model)!
      const silent = offers.some((offer) => !offer.audio)
      const meeting = offers.filter(
        (offer) =>
          offer.short_side >= Math.min(wished.format.width, wished.format.height) &&
          offer.seconds.at(-1)! >= wished.duration &&
          (offer.last_image || wished.images === 1) &&
          (offer.audio === wished.audio || (!wished.audio && !silent)),
      )
      expect(settlement.member === 'aspect_ratio' ? aspect_ratios : meeting).toEqual(
        settlement.member === 'aspect_ratio' ? ['16:9', '9:16'] : [],
      )
    })
  })
})

describe('the built-in book', () => {
  const rungs = [...builtIn.models].flatMap(([name, model]) =>
    model.offers.flatMap((offer) => offer.seconds.map((seconds) => ({ name, model, offer, seconds }))),
  )

  it('has a wish for each of its offers, which fills the whole template', () => {
    for (const { name, model, offer, seconds } of rungs) {
      const images = offer.last_image ? 2 : 1
      const format = { width: (offer.short_side * 16) / 9, height: offer.short_side, fps: 24 }
      const { render } = settled(name, { duration: seconds, images, format, audio: offer.audio })
      expect(render).toMatchObject({ seconds, resolution: offer.resolution, audio: offer.audio })
      const urls = ['https://x/1.jpg', 'https://x/2.jpg'].slice(0, images)
      const input = renderInput(model, { prompt: 'Slowly.', images: urls, settings: render!, seed })
      expect(JSON.stringify(Object.values(input))).not.toContain('{')
      expect(Object.values(input)).toEqual(expect.arrayContaining(['Slowly.', seconds, ...urls]))
    }
  })

  it('asks for each rung of a model in other words', () => {
    const inputs = rungs.map(({ name, model, offer: { resolution, audio }, seconds }) => {
      const settings = { seconds, resolution, audio, aspect_ratio: '16:9' }
      return JSON.stringify([name, renderInput(model, { prompt: '', images: ['x'], settings, seed })])
    })
    expect(new Set(inputs).size).toBe(rungs.length)
  })

  it('has a price for everything', () => {
    for (const { name, offer, seconds } of rungs)
      expect(priceOf(builtIn, name, { ...offer, seconds, aspect_ratio: '16:9' })).toBeGreaterThan(0)
  })
})

describe("a request's input", () => {
  const settings = { seconds: 6, resolution: '720p', aspect_ratio: '9:16', audio: false }

  it('has numbers and booleans as such, and leaves out the image that is not there', () => {
    const model = builtIn.models.get('google/veo-3.1')!
    expect(renderInput(model, { prompt: 'Slowly.', images: ['https://x/1.jpg'], settings, seed })).toEqual({
      prompt: 'Slowly.',
      image: 'https://x/1.jpg',
      duration: 6,
      resolution: '720p',
      aspect_ratio: '9:16',
      generate_audio: false,
      seed,
    })
  })

  it("has the offer's own members", () => {
    const model = builtIn.models.get('kwaivgi/kling-v2.1')!
    const pro = { ...settings, seconds: 5, resolution: '1080p' }
    expect(renderInput(model, { prompt: 'Slowly.', images: ['a', 'b'], settings: pro, seed })).toEqual({
      prompt: 'Slowly.',
      start_image: 'a',
      end_image: 'b',
      duration: 5,
      mode: 'pro',
    })
  })

  it('takes a prompt for text, whatever is written in it', () => {
    const input = { text: 'Film: {prompt} ({seconds} s)', image: '{first_image}', steps: 30 }
    const { models } = readCatalogue(own([{ seconds: [6] }], { input }))
    const order = { prompt: '{seconds} $& {last_image}', images: ['a'], settings, seed }
    expect(renderInput(models.get('us/ours')!, order)).toEqual({
      text: 'Film: {seconds} $& {last_image} (6 s)',
      image: 'a',
      steps: 30,
    })
  })

  it('is not made for an offer that the book no longer has', () => {
    const gone = { ...settings, seconds: 7 }
    const model = builtIn.models.get('google/veo-3.1')!
    expect(() => renderInput(model, { prompt: '', images: ['a'], settings: gone, seed })).toThrow(
      'no offer of 7 s at 720p without sound',
    )
    expect(priceOf(builtIn, 'google/veo-3.1', gone)).toBeNull()
    expect(priceOf(builtIn, 'gone/gone', settings)).toBeNull()
  })
})

describe("an operator's own book", () => {
  it('adds models and replaces them, and shows in the version', () => {
    const { models } = own([{ usd_per_clip: 1 }])
    const dearer = {
      version: '2',
      currency: 'USD',
      models: { ...models, 'google/veo-3.1': models['us/ours'] },
    }
    const catalogue = readCatalogue(dearer)
    expect(catalogue.version).toBe(`${builtIn.version}+2`)
    expect(modelsOf(catalogue)).toEqual([...modelsOf(builtIn), 'us/ours'])
    expect(settled('google/veo-3.1', { duration: 5 }, catalogue).priceMicros).toBe(1_000_000)
    expect(settled('minimax/hailuo-2.3', {}, catalogue)).toEqual(settled('minimax/hailuo-2.3'))
  })

  const { models } = own([{}])
  const ours = models['us/ours']
  it.each([
    ['no book', [], /the book: /],
    ['another currency', { ...own([{}]), currency: 'EUR' }, /^currency: /],
    [
      'a name without an owner',
      { ...own([{}]), models: { ours } },
      /^models\.ours: must be named owner\/name/,
    ],
    ['this machine', { ...own([{}]), models: { local: ours } }, /^models\.local: .* local is this machine/],
    ['no offers', own([]), /models\["us\/ours"\]\.offers: /],
    ['rungs that fall', own([{ seconds: [10, 6] }]), /offers\[0\]\.seconds: must be ascending/],
    ['half seconds', own([{ seconds: [2.5] }]), /offers\[0\]\.seconds\[0\]: /],
    ['two prices', own([{ usd_per_clip: 1, usd_per_second: 1 }]), /offers\[0\]: must have one price/],
    ['a negative price', own([{ usd_per_clip: -1 }]), /offers\[0\]\.usd_per_clip: /],
    ['a misspelt member', own([{ usd_per_minute: 1 } as Partial<Offer>]), /usd_per_minute/],
    [
      'an unknown placeholder',
      own([{}], { input: { image: '{first_image} {fps}' } }),
      /input\.image: must contain/,
    ],
    ['no place for the image', own([{}], { input: {} }), /offers\[0\]: needs \{first_image\}/],
    [
      'no place for the last image',
      own([{ last_image: true }], { input: { image: '{first_image}' } }),
      /offers\[0\]: needs \{last_image\}/,
    ],
    [
      'no place for the rung',
      own([{ seconds: [5, 10] }], { input: { image: '{first_image}' } }),
      /offers\[0\]: needs \{seconds\}/,
    ],
    ['two offers of one name', own([{}, { seconds: [5, 6] }]), /offers\[1\]: must differ from offers\[0\]/],
    ['an odd aspect ratio', own([{}], { aspect_ratios: ['wide'] }), /aspect_ratios\[0\]: must be like 16:9/],
  ] as const)('is refused with %s', (_what, book, problem) => {
    expect(() => readCatalogue(book)).toThrow(CatalogueError)
    expect(() => readCatalogue(book)).toThrow(problem)
  })

  it('is told of each wrong member at once', () => {
    const wrong = { ...own([{ seconds: [] }, { short_side: 0 }]), currency: 'EUR' }
    expect(() => readCatalogue(wrong)).toThrow(/currency.*offers\[0\]\.seconds.*offers\[1\]\.short_side/)
  })
})
