/** The rules by which the page shows what is unsaved, what is left of budgets, and which models fit. */
import { describe, expect, it } from 'vitest'
import { budgetsAfter } from '../../page/src/job/budgets.ts'
import {
  type Editable,
  changedBeneath,
  drafted,
  isEmpty,
  savingOf,
  withDraft,
} from '../../page/src/job/draft.ts'
import { fittingModels } from '../../page/src/job/models.ts'

const scene: Editable = {
  title: 'Kitchen',
  prompt: 'A slow pan',
  duration: 4,
  model: 'local',
  asset_ids: ['a'],
  transition: 'fade',
}

describe('a draft', () => {
  it('holds only what differs, and is none once it is as before', () => {
    const draft = drafted(scene, undefined, { title: 'Cuisine', asset_ids: ['b'] })
    expect(draft.change).toEqual({ title: 'Cuisine', asset_ids: ['b'] })
    expect(isEmpty(drafted(scene, draft, { title: 'Kitchen', asset_ids: ['a'] }))).toBe(true)
  })

  it('lays over what others change meanwhile, and names what they changed', () => {
    const draft = drafted(scene, undefined, { title: 'Cuisine' })
    const changed = { ...scene, duration: 6 }
    expect(withDraft(changed, draft)).toEqual({ ...scene, title: 'Cuisine', duration: 6 })
    expect(changedBeneath(changed, draft)).toEqual(['duration'])
    expect(changedBeneath({ ...scene, asset_ids: ['a'] }, draft)).toEqual([])
  })

  it('is saved with the revision that its editor saw', () => {
    expect(savingOf(drafted(scene, undefined, { title: null }), 7)).toEqual({ title: null, revision: 7 })
  })
})

describe('budgets', () => {
  const used = { spent: 1, reserved: 0.5 }
  const answer = {
    currency: 'USD' as const,
    budgets: [
      { name: 'job', limit: 2, used: null, changed: null },
      { name: 'client', limit: 5, used: null, changed: null },
      { name: 'client:acme', limit: 3, used, changed: null },
      { name: 'day', limit: 2, used, changed: null },
    ],
  }
  const costs = { spent: 0.3, reserved: 0.1, to_pay: 0.6 }

  it('are what is left once the job is paid, its own client before that of each', () => {
    expect(budgetsAfter(answer, { client_id: 'acme', costs }, undefined)).toEqual([
      { name: 'job', limit: 2, left: 1.6, after: 1 },
      { name: 'client:acme', limit: 3, left: 1.5, after: 0.9 },
      { name: 'day', limit: 2, left: 0.5, after: -0.1 },
    ])
  })

  it('of each client count what this client has used', () => {
    const money = { spent: 4, reserved: 0 }
    expect(budgetsAfter(answer, { client_id: 'other', costs }, money)[1]).toEqual({
      name: 'client',
      limit: 5,
      left: 1,
      after: 0.4,
    })
  })

  it('of clients do not apply to a job of nobody, and none is told where a sum is unknown', () => {
    const names = (job: Parameters<typeof budgetsAfter>[1]) =>
      budgetsAfter(answer, job, undefined).map(({ name }) => name)
    expect(names({ client_id: null, costs })).toEqual(['job', 'day'])
    expect(names({ client_id: null, costs: { ...costs, to_pay: null } })).toEqual([])
  })
})

it('models fit a scene by its images, its length and the height of the film', () => {
  const offer = { seconds: [4, 8], audio: false, usd_per_second: 0.1, usd_per_clip: null }
  const shape = { aspect_ratios: null }
  const models = [
    { name: 'local', renderer: 'local', ...shape, offers: [] },
    { name: 'one', renderer: 'r', ...shape, offers: [{ ...offer, resolution: '720p', last_image: false }] },
    { name: 'two', renderer: 'r', ...shape, offers: [{ ...offer, resolution: '480p', last_image: true }] },
    {
      name: 'unpriced',
      renderer: 'r',
      ...shape,
      offers: [{ ...offer, resolution: '4k', last_image: true, usd_per_second: null }],
    },
  ]
  const answer = { price_book: '1', currency: 'USD' as const, models, unavailable: [] }
  const names = (images: number, seconds: number, shortSide: number) =>
    fittingModels(answer, { images, seconds, shortSide }).map(({ name, perSecond }) => [name, perSecond])
  expect(names(1, 4, 720)).toEqual([
    ['local', 0],
    ['one', 0.1],
    ['unpriced', null],
  ])
  expect(names(2, 4, 480)).toEqual([
    ['local', 0],
    ['two', 0.1],
    ['unpriced', null],
  ])
  expect(names(1, 9, 480)).toEqual([['local', 0]])
})
