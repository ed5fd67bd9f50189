/**
 * What paid models offer and cost: `price-book.json`, extended by the operator's own models, and the choice of one
 * offer for each scene. The choice is made before approval, so that the estimate shows what will be rendered.
 */
import { z } from 'zod'
import { aspectRatios, type FrameFormat } from './format.ts'
import builtIn from './price-book.json' with { type: 'json' }
import type { RenderSettings } from './scene.ts'
import { titleNotes } from './title.ts'

const placeholders = [
  'prompt',
  'first_image',
  'last_image',
  'seconds',
  'resolution',
  'aspect_ratio',
  'audio',
  'seed',
] as const
type Placeholder = (typeof placeholders)[number]
const placeholder = new RegExp(`\\{(${placeholders.join('|')})\\}`, 'g')

/** Template of the request's `input`: placeholders in texts are replaced; other values are sent unchanged. */
const template = z.record(
  z.string(),
  z.union([
    z.string().refine((text) => !/[{}]/.test(text.replaceAll(placeholder, '')), {
      error: `must contain no braces except ${placeholders.map((name) => `{${name}}`).join(' ')}`,
    }),
    z.number(),
    z.boolean(),
  ]),
)

const usd = z.number().nonnegative()

const offerSchema = z
  .strictObject({
    /** As the model names it. */
    resolution: z.string().min(1),
    /** Pixels. */
    short_side: z.int().positive(),
    /** The clip lengths that the model renders and bills, ascending. */
    seconds: z
      .array(z.int().positive())
      .min(1)
      .refine(
        (rungs) => rungs.every((rung, index) => index === 0 || rung > rungs[index - 1]!),
        'must be ascending',
      ),
    /** Whether it accepts a last image besides the first. */
    last_image: z.boolean(),
    audio: z.boolean(),
    /** Without either price, the price is unknown, which never counts as free. */
    usd_per_second: usd.optional(),
    usd_per_clip: usd.optional(),
    /** Added to the model's `input`. */
    input: template.optional(),
  })
  .refine(
    (offer) => offer.usd_per_second === undefined || offer.usd_per_clip === undefined,
    'must have one price: usd_per_second or usd_per_clip',
  )

const modelSchema = z
  .strictObject({
    renderer: z.string().min(1),
    /** Required for community models, which are requested by version; official ones are requested by name. */
    version: z.string().min(1).optional(),
    /** Omitted if the embedding program's own provider builds its requests itself. */
    input: template.optional(),
    /** Absent if the clip takes the shape of its image. */
    aspect_ratios: z
      .array(z.string().regex(/^[1-9]\d*:[1-9]\d*$/, 'must be like 16:9'))
      .min(1)
      .optional(),
    offers: z.array(offerSchema).min(1),
  })
  .superRefine(({ input, offers }, context) => {
    for (const [index, offer] of offers.entries()) {
      const refuse = (message: string): void =>
        context.addIssue({ code: 'custom', path: ['offers', index], message })
      const needed: Placeholder[] = ['first_image']
      if (offer.last_image) needed.push('last_image')
      if (offer.seconds.length > 1) needed.push('seconds')
      const texts = Object.values({ ...input, ...offer.input }).map(String)
      const isTold = input !== undefined || offer.input !== undefined
      for (const name of isTold ? needed : [])
        if (!texts.some((text) => text.includes(`{${name}}`))) refuse(`needs {${name}} in the input`)
      // Settings identify an offer, and so its price, by these three members.
      const twin = offers
        .slice(0, index)
        .findIndex((other) => other.seconds.some((seconds) => isOf(offer, { ...other, seconds })))
      if (twin >= 0) refuse(`must differ from offers[${twin}] in resolution, audio or seconds`)
    }
  })

const bookSchema = z.strictObject({
  version: z.string().min(1),
  currency: z.literal('USD'),
  models: z.record(
    z.string().regex(/^[\w.-]+\/[\w.-]+$/, 'must be named owner/name; local is this machine'),
    modelSchema,
  ),
})

export type Offer = z.infer<typeof offerSchema>
export type Model = z.infer<typeof modelSchema>

export interface Catalogue {
  /** Shown with every estimate, so that each amount can be traced to its prices. */
  readonly version: string
  /** By name, without `local` (this machine). */
  readonly models: ReadonlyMap<string, Model>
  /** Models of the embedding program's own renderers on this machine: free and of any length, like `local`. */
  readonly onThisMachine?: ReadonlySet<string>
  /** For known models without a renderer here: what is missing, such as a token; by model name. */
  readonly wanting?: ReadonlyMap<string, string>
}

export class CatalogueError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'CatalogueError'
  }
}

/**
 * The built-in price book plus the models of each `own` book; later models replace earlier ones of the same name.
 * @throws {CatalogueError} names each invalid member of `own`.
 */
export function readCatalogue(...own: readonly unknown[]): Catalogue {
  const books = [builtIn, ...own].map(readBook)
  return {
    version: books.map(({ version }) => version).join('+'),
    models: new Map(books.flatMap(({ models }) => Object.entries(models))),
  }
}

function readBook(book: unknown): z.infer<typeof bookSchema> {
  const parsed = bookSchema.safeParse(book)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map((issue) => {
    const [first] = issue.code === 'invalid_key' ? issue.issues : [issue]
    return `${z.core.toDotPath(issue.path) || 'the book'}: ${first?.message ?? issue.message}`
  })
  throw new CatalogueError(problems.join('; '))
}

export const modelsOf = (catalogue: Catalogue): readonly string[] => [...catalogue.models.keys()]

const namesOnThisMachine = ({ onThisMachine = new Set() }: Catalogue): readonly string[] => [
  'local',
  ...onThisMachine,
]

/** What a scene requests from a model. */
export interface Wish {
  readonly model: string
  /** Minimum length in seconds. */
  readonly duration: number
  /** One, or the first and the last. */
  readonly images: 1 | 2
  readonly title: string | null
  /** The film's format. */
  readonly format: FrameFormat
  /** Whether the model should also render sound. */
  readonly audio: boolean
}

export interface Refused {
  readonly ok: false
  readonly member: 'model' | 'duration' | 'asset_ids' | 'aspect_ratio' | 'resolution'
  /** Which values are allowed, and what the model offers. */
  readonly reason: string
}

export type Settlement =
  | {
      readonly ok: true
      /** Seconds that will be rendered. */
      readonly duration: number
      /** Null for this machine. */
      readonly render: RenderSettings | null
      /** Millionths of a US dollar; null if the price is unknown. */
      readonly priceMicros: number | null
      /** Differences from the request, as sentences for people. */
      readonly notes: readonly string[]
    }
  | Refused

/** The cheapest offer that renders at least what the scene requests, or why none does. */
export function settle(catalogue: Catalogue, wish: Wish): Settlement {
  if (namesOnThisMachine(catalogue).includes(wish.model))
    return {
      ok: true,
      duration: wish.duration,
      render: null,
      priceMicros: 0,
      notes:
        wish.model === 'local'
          ? [
              ...(wish.audio ? ['audio is ignored: local renders no sound'] : []),
              ...(wish.title === null ? [] : titleNotes(wish.title, wish.format)),
            ]
          : [],
    }
  const model = catalogue.models.get(wish.model)
  if (!model) {
    const wanting = catalogue.wanting?.get(wish.model)
    const offered = `must be one of ${[...namesOnThisMachine(catalogue), ...modelsOf(catalogue)].join(', ')}`
    return refused('model', wanting === undefined ? offered : `${offered}; ${wish.model} needs ${wanting}`)
  }
  const aspect_ratio = aspectRatioOf(model, wish.format)
  if (aspect_ratio === undefined)
    return refused('aspect_ratio', `must be ${either(model.aspect_ratios ?? [])} for ${wish.model}`)
  const choice = choose(catalogue, model, wish)
  if ('ok' in choice) return choice
  const { offer, seconds, priceMicros, notes } = choice
  return {
    ok: true,
    duration: seconds,
    render: { seconds, resolution: offer.resolution, aspect_ratio, audio: offer.audio },
    priceMicros,
    notes: [
      ...notes,
      ...(wish.title === null
        ? []
        : [`the title "${wish.title}" will not appear: ${wish.model} cannot draw text`]),
    ],
  }
}

interface Rung {
  readonly offer: Offer
  readonly seconds: number
  readonly priceMicros: number | null
}

function choose(
  catalogue: Catalogue,
  { offers }: Model,
  { model, duration, images, format, audio }: Wish,
): (Rung & { notes: readonly string[] }) | Refused {
  const withThatSound = offers.filter((offer) => offer.audio === audio)
  if (audio && withThatSound.length === 0) {
    const others = modelsOf(catalogue).filter((name) =>
      catalogue.models.get(name)?.offers.some((offer) => offer.audio),
    )
    return refused('model', `must be ${either(others) || 'another'} for sound: ${model} renders no sound`)
  }
  const suited = withThatSound.length > 0 ? withThatSound : offers
  const able = images === 2 ? suited.filter((offer) => offer.last_image) : suited
  if (able.length === 0)
    return refused('asset_ids', `must contain one image for ${model}: it accepts no last image`)

  // Names only the conditions that exclude some of the model's offers.
  const sound = ladder(suited) === ladder(offers) ? '' : audio ? ' with sound' : ' without sound'
  const pair = ladder(able) === ladder(suited) ? '' : ' with a last image'
  const who = `${model}${sound}${pair}`
  const shortSide = Math.min(format.width, format.height)
  const large = able.filter((offer) => offer.short_side >= shortSide)
  if (large.length === 0) {
    const most = Math.max(...able.map((offer) => offer.short_side))
    return refused('resolution', `must be at most ${most}p for ${who}, which offers ${ladder(able)}`)
  }
  const rung = cheapest(large, duration)
  if (!rung) {
    const most = Math.max(...large.flatMap((offer) => offer.seconds))
    return refused(
      'duration',
      `must be at most ${most} for ${who} in a ${shortSide}p film: it offers ${ladder(able)}`,
    )
  }

  const { offer, seconds } = rung
  const notes: string[] = []
  if (seconds !== duration)
    notes.push(`${duration} s rounded up to ${seconds} s (${who} offers ${rungsOf(large)})`)
  if (offer.short_side > shortSide)
    notes.push(`the film is ${shortSide}p; ${who} renders it at ${offer.resolution}${modeOf(offer)}`)
  if (offer.audio && !audio) notes.push(`audio cannot be turned off: ${model} always renders sound`)
  return { ...rung, notes }
}

/** Ordered by seconds, then price (unknown last), then resolution. */
function cheapest(offers: readonly Offer[], duration: number): Rung | undefined {
  const rungs = offers.flatMap((offer): Rung[] => {
    const seconds = offer.seconds.find((rung) => rung >= duration)
    return seconds === undefined ? [] : [{ offer, seconds, priceMicros: microsOf(offer, seconds) }]
  })
  const dear = ({ priceMicros }: Rung): number => priceMicros ?? Number.MAX_SAFE_INTEGER
  return rungs.toSorted(
    (one, other) =>
      one.seconds - other.seconds || dear(one) - dear(other) || one.offer.short_side - other.offer.short_side,
  )[0]
}

/** Rounds after multiplying: a price such as 0.045 is not exact in binary. */
function microsOf({ usd_per_second, usd_per_clip }: Offer, seconds: number): number | null {
  if (usd_per_clip !== undefined) return Math.round(usd_per_clip * 1e6)
  return usd_per_second === undefined ? null : Math.round(usd_per_second * 1e6 * seconds)
}

const isOf = (
  offer: Offer,
  { resolution, audio, seconds }: Pick<RenderSettings, 'resolution' | 'audio' | 'seconds'>,
): boolean => offer.resolution === resolution && offer.audio === audio && offer.seconds.includes(seconds)

/** Millionths of a US dollar; null if the price is unknown. */
export function priceOf(catalogue: Catalogue, model: string, settings: RenderSettings): number | null {
  const offer = catalogue.models.get(model)?.offers.find((one) => isOf(one, settings))
  return offer ? microsOf(offer, settings.seconds) : null
}

/**
 * The `input` of a request to a provider. Members whose image is missing are omitted.
 * @throws {CatalogueError} if the model no longer has this offer.
 */
export function renderInput(
  model: Model,
  order: {
    readonly prompt: string
    readonly images: readonly string[]
    readonly settings: RenderSettings
    /** Unique to this request. */
    readonly seed: number
  },
): Record<string, unknown> {
  const { prompt, images, settings, seed } = order
  const offer = model.offers.find((one) => isOf(one, settings))
  if (!offer)
    throw new CatalogueError(
      `no offer of ${settings.seconds} s at ${settings.resolution} ${settings.audio ? 'with' : 'without'} sound`,
    )
  const [first_image, last_image] = images
  const values: Record<Placeholder, Filling> = { prompt, first_image, last_image, seed, ...settings }
  const members = Object.entries({ ...model.input, ...offer.input })
    .map(([name, member]) => [name, typeof member === 'string' ? fill(member, values) : member] as const)
    .filter(([, member]) => member !== undefined)
  return Object.fromEntries(members)
}

type Filling = string | number | boolean | undefined

/** Replaces in one pass, because a prompt may itself contain braces. Undefined if a value is missing. */
function fill(text: string, values: Readonly<Record<string, Filling>>): Filling {
  const names = [...text.matchAll(placeholder)].map(([, name = '']) => name)
  if (names.some((name) => values[name] === undefined)) return undefined
  const [whole = ''] = names
  return text === `{${whole}}`
    ? values[whole]
    : text.replaceAll(placeholder, (_match, name: string) => String(values[name]))
}

/** Frames have even sides, so few match their nominal ratio exactly. */
const aspectTolerance = 0.01

/** The film's aspect ratio as the model names it; undefined if the model does not offer it. */
function aspectRatioOf({ aspect_ratios }: Model, { width, height }: FrameFormat): string | undefined {
  const named = (aspect_ratios ?? aspectRatios).find((name) => {
    const [across = 1, down = 1] = name.split(':').map(Number)
    return Math.abs((width / height) * (down / across) - 1) <= aspectTolerance
  })
  return named ?? (aspect_ratios ? undefined : `${width}:${height}`)
}

const refused = (member: Refused['member'], reason: string): Refused => ({ ok: false, member, reason })

const disjunction = new Intl.ListFormat('en-GB', { type: 'disjunction' })
const either = (names: Iterable<string>): string => disjunction.format(names)

/** `4, 6 or 8 s`. */
function rungsOf(offers: readonly Offer[]): string {
  const rungs = new Set(offers.flatMap((offer) => offer.seconds))
  return `${either([...rungs].toSorted((one, other) => one - other).map(String))} s`
}

/** `6 s at 512p or 1080p; 6 or 10 s at 768p`. */
function ladder(offers: readonly Offer[]): string {
  const steps = [...Map.groupBy(offers, (offer) => offer.resolution)].map(([resolution, same]) => ({
    resolution,
    rungs: rungsOf(same),
  }))
  return [...Map.groupBy(steps, (step) => step.rungs)]
    .map(([rungs, same]) => `${rungs} at ${either(same.map((step) => step.resolution))}`)
    .join('; ')
}

/** ` (mode pro)`: the offer's own input members besides its resolution. */
const modeOf = ({ input = {} }: Offer): string => {
  const members = Object.entries(input).map(([name, value]) => `${name} ${value}`)
  return members.length === 0 ? '' : ` (${members.join(', ')})`
}
