/** The filter `waiting` finds the jobs whose own answers say so: in worlds of chance, for every code. */
import { afterEach, expect, test } from 'vitest'
import { foundWaits } from '../../src/coordinator/admission/rules.ts'
import type { JobAnswer, JobsAnswer } from '../../src/http/routes/jobs.ts'
import { createClock } from '../clock.ts'
import { addAssets, assetOf } from '../harness/data.ts'
import { type App, appOver, jsonOf } from '../harness/ask.ts'
import { type OpenHarness, localRenderer, openHarness } from '../harness/harness.ts'
import { hold } from './held.ts'

const models = ['google/veo-3.1-fast', 'local'] as const
let harness: OpenHarness
let app: App
afterEach(() => harness.close())

const ask = (method: string, path: string, body?: unknown) => {
  const text = body === undefined ? undefined : JSON.stringify(body)
  return app.request(`/api/v3${path}`, {
    method,
    ...(text !== undefined && {
      body: text,
      headers: { 'content-type': 'application/json', 'content-length': String(text.length) },
    }),
  })
}

const chanceOf = (seed: number) => {
  const { random } = createClock(seed)
  const below = (most: number): number => Math.floor(random() * most)
  return {
    below,
    one: <T>(of: readonly T[]): T => of[below(of.length)]!,
    is: (share: number) => random() < share,
  }
}

/** A few jobs, and what happens to them: each request may be refused. */
async function makeWorld(
  seed: number,
): Promise<{ readonly ids: readonly number[]; readonly held: ReadonlySet<number> }> {
  const { below, one, is } = chanceOf(seed)
  const limits = () => one([0.1, 0.3, 0.5, 0.9, 2])
  const budgets = () =>
    ask('PUT', '/budgets', {
      ...(is(0.4) && { job: limits() }),
      ...(is(0.5) && { client: limits() }),
      ...(is(0.5) && { 'client:acme': limits() }),
      ...(is(0.4) && { day: limits() }),
      ...(is(0.4) && { total: limits() }),
    })
  if (is(0.5)) await budgets()
  const ids: number[] = []
  const held = new Set<number>()
  for (let count = 3 + below(6); count > 0; count--) {
    const scenes = Array.from({ length: 1 + below(3) }, () => ({
      asset_ids: [assetOf(below(3))],
      model: one(models),
      duration: one([4, 6]),
    }))
    const response = await ask('POST', '/jobs', {
      type: 'property_photos',
      parameters: {
        photos: [{ asset_id: assetOf(0) }],
        ...(is(0.6) && { client_id: one(['acme', 'nord']) }),
      },
      storyboard: { scenes },
      force: is(0.8),
      ...(is(0.2) && { run_at: '2099-01-01T00:00:00Z' }),
      ...(is(0.2) && ids.length > 0 && { depends_on: [one(ids)] }),
    })
    if (response.ok) ids.push((await jsonOf(response)).job_id)
  }
  for (const id of ids) if (is(0.9)) await ask('POST', `/jobs/${id}/approve`, {})
  for (let count = below(9); count > 0; count--) {
    const id = one(ids)
    const [scene] = await harness.coordinator.scenes(id)
    const actions = [
      () => ask('POST', `/jobs/${id}/pause`, {}),
      () => ask('POST', `/jobs/${id}/resume`, {}),
      () => ask('POST', `/jobs/${id}/reject`, { note: 'no' }),
      () => ask('POST', `/jobs/${id}/cancel`, {}),
      () => ask('POST', `/jobs/${id}/retry`, {}),
      () => ask('POST', `/jobs/${id}/submit`, {}),
      () => ask('PUT', `/jobs/${id}/scenes/${scene!.id}`, { duration: one([4, 8]), model: one(models) }),
      () => ask('POST', '/pause', is(0.2) ? {} : { renderer: one(['local', 'replicate']) }),
      () => ask('POST', '/resume', is(0.5) ? {} : { renderer: one(['local', 'replicate']) }),
      budgets,
      () => hold(harness, id, scene!.id).then(() => held.add(id)),
    ]
    await one(actions)()
  }
  return { ids, held }
}

/** The codes that a job's own answer and those of its scenes give, and those that its facts say beside the first. */
async function ownCodes(
  id: number,
): Promise<{ readonly told: ReadonlySet<string>; readonly so: ReadonlySet<string> }> {
  const job: JobAnswer = await jsonOf(ask('GET', `/jobs/${id}`))
  const { scenes } = await jsonOf(ask('GET', `/jobs/${id}/scenes`))
  const waits: readonly ({ readonly code: string } | null)[] = [
    job.waiting,
    ...scenes.map(({ waiting }: { waiting: { readonly code: string } | null }) => waiting),
  ]
  const isOpen = !['completed', 'failed', 'cancelled'].includes(job.status)
  const told = new Set(waits.flatMap((wait) => (wait ? [wait.code] : [])))
  // It waits for its submitter: whoever approves cannot do anything.
  if (job.rejected !== null) told.delete('approval')
  const so = new Set([
    ...told,
    ...(job.needs_approval ? ['approval'] : []),
    ...(job.rejected !== null && job.status !== 'cancelled' ? ['rejected'] : []),
    ...(isOpen && job.paused_at !== null ? ['job_paused'] : []),
    ...(isOpen && job.depends_on.some(({ met }) => !met) ? ['dependency'] : []),
    ...(isOpen && job.run_at !== null && Date.parse(job.run_at) > Date.now() ? ['scheduled'] : []),
  ])
  return { told, so }
}

/** Codes that a world had: a filter that finds nothing anywhere proves nothing. */
const seen = new Set<string>()

test.each(Array.from({ length: 60 }, (_, index) => index + 1))(
  'finds the jobs whose own answers say so, and no other: world %i',
  async (seed) => {
    harness = await openHarness({
      renderers: [
        localRenderer(2),
        { name: 'replicate', models: [models[0]], maxConcurrency: 4, startDelayMs: 0, task: 'follow-render' },
      ],
    })
    await addAssets(harness.database, 3)
    app = appOver(harness, { access: { keysRequired: false, ratePerMinute: 0 } })
    const { ids, held } = await makeWorld(seed)
    const own = new Map<number, Awaited<ReturnType<typeof ownCodes>>>()
    for (const id of ids) own.set(id, await ownCodes(id))
    for (const code of foundWaits) {
      const { jobs }: JobsAnswer = await jsonOf(ask('GET', `/jobs?limit=100&waiting=${code}`))
      const found = jobs.map(({ job_id }) => job_id).toSorted((one, other) => one - other)
      for (const { job_id, waiting } of jobs) {
        expect([code, job_id, waiting === null]).toEqual([code, job_id, false])
        if (own.get(job_id)!.told.has(code)) expect([job_id, waiting?.code]).toEqual([job_id, code])
      }
      // Its money stays reserved, whatever became of its scene.
      const so = ids.filter((id) => own.get(id)!.so.has(code) || (code === 'held' && held.has(id)))
      expect([code, found]).toEqual([code, so])
      if (found.length > 0) seen.add(code)
    }
  },
)

test('these worlds have every wait but the pause that a provider asks for', () => {
  expect([...seen].toSorted()).toEqual(foundWaits.filter((code) => code !== 'provider_pause').toSorted())
})
