/** Whatever jobs there are, in whatever state and of whatever age: what one of them needs is never removed. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { artifactPrefixes } from '../../src/artifact/artifact.ts'
import { openDiskArtifacts } from '../../src/artifact/disk.ts'
import { bind } from '../../src/bind.ts'
import { retentionVerbs } from '../../src/retention/retention.ts'
import { jobStatuses, sceneStatuses } from '../../src/job/lifecycle.ts'
import { createPrune } from '../../src/retention/prune.ts'
import { openFile } from '../harness/data.ts'
import { silentLog } from '../harness/harness.ts'
import { createClock } from '../clock.ts'

const day = 86_400_000
const log = silentLog

/** Which of a few clips, pictures, ... it is: few, so that jobs share them. */
const index = fc.nat(4)
const age = fc.nat(100)
const scene = fc.record({
  status: fc.constantFrom(...sceneStatuses),
  clip: fc.option(index),
  source: index,
  assets: fc.array(index, { minLength: 1, maxLength: 2 }),
  key: index,
  /** The clip that its own render was paid for, and what became of that. */
  paid: fc.option(fc.record({ fetched: index, clip: fc.constantFrom('kept', 'lost', null) })),
})
const job = fc.record({
  status: fc.constantFrom(...jobStatuses),
  age,
  films: fc.array(fc.record({ film: index, age }), { maxLength: 3 }),
  scenes: fc.array(scene, { minLength: 1, maxLength: 3 }),
})
const rows = fc.record({
  jobs: fc.array(job, { maxLength: 6 }),
  renders: fc.array(fc.record({ key: index, source: index, age }), { maxLength: 4 }),
  seams: fc.array(fc.record({ left: index, right: index, age }), { maxLength: 3 }),
  fileAges: fc.array(age, { minLength: 35, maxLength: 35 }),
  assetAges: fc.array(age, { minLength: 5, maxLength: 5 }),
  limits: fc.record({
    eventsDays: fc.option(fc.integer({ min: 1, max: 90 })),
    filmsDays: fc.option(fc.integer({ min: 1, max: 90 })),
    clipsDays: fc.option(fc.integer({ min: 1, max: 90 })),
    inputsDays: fc.option(fc.integer({ min: 1, max: 90 })),
    maxStoredBytes: fc.option(fc.nat(500)),
  }),
})

type Rows = typeof rows extends fc.Arbitrary<infer Value> ? Value : never

const names = ['film', 'thumbnail', 'clip', 'source', 'asset', 'master', 'paid'] as const

it('nothing that a job needs goes, and every file that is left is named or new', async () => {
  await fc.assert(fc.asyncProperty(rows, holds), { numRuns: 40, seed: 20_261_125 })
})

async function holds({ jobs, renders, seams, fileAges, assetAges, limits }: Rows) {
  const directory = mkdtempSync(join(tmpdir(), 'prune-property-'))
  const clock = createClock()
  const start = clock.now()
  const end = start + 101 * day
  const agesAgo = (days: number): number => end - days * day
  const database = await openFile(directory)
  try {
    const ids = new Map<string, string>()
    for (const [place, name] of names.entries())
      for (let one = 0; one < 5; one++) {
        const artifacts = await openDiskArtifacts(directory, {
          now: () => agesAgo(fileAges[place * 5 + one]!),
        })
        const path = join(directory, 'work', `${name} ${one}`)
        writeFileSync(path, `${name} ${one}`)
        ids.set(`${name} ${one}`, (await artifacts.adopt(path)).id)
      }
    const id = (name: (typeof names)[number], one: number): string => ids.get(`${name} ${one}`)!
    const manifestOf = (film: number): string =>
      JSON.stringify({ film: { id: id('film', film) }, thumbnail: { id: id('thumbnail', film) } })

    await database.transaction(async (tx) => {
      for (const [one, days] of assetAges.entries())
        await tx.run(
          `insert into assets (id, content_type, width, height, size, master, inserted_at) values ($1, '', 1, 1, 1, $2, $3)`,
          [id('asset', one), id('master', one), agesAgo(days)],
        )
      for (const { status, age: days, films, scenes } of jobs) {
        const isFinal = ['completed', 'failed', 'cancelled'].includes(status)
        const jobId = await tx.insert(
          `insert into jobs (type, status, video_name, priority, parameters, storyboard, progress, price_book, ended_at, inserted_at, updated_at)
           values ('t', $1, '', 50, '{}', '{}', '{}', '', $2, 0, 0)`,
          [status, isFinal ? agesAgo(days) : null],
        )
        await tx.insert(
          `insert into events (topic, type, job_id, data, inserted_at) values ('jobs:created', 'job_created', $1, '{}', $2)`,
          [jobId, agesAgo(days)],
        )
        for (const [version, { film, age: filmAge }] of films.entries())
          await tx.run(
            `insert into films (job_id, version, manifest, film, thumbnail, inserted_at) values ($1, $2, $3, $4, $5, $6)`,
            // Half of them as an earlier version of this program left them.
            [
              jobId,
              version + 1,
              manifestOf(film),
              film % 2 ? id('film', film) : null,
              film % 2 ? id('thumbnail', film) : null,
              agesAgo(filmAge),
            ],
          )
        for (const [position, { status: state, clip, source, assets, key, paid }] of scenes.entries()) {
          if (paid)
            await tx.run(
              `insert into attempts (id, job_id, scene_id, renderer, model, status, client_id, day, render_key, clip, fetched, inserted_at, updated_at)
               values ($1, $2, $1, 'replicate', 'm', 'succeeded', '', '', $3, $4, $5, 0, 0)`,
              [`${jobId}-${position}`, jobId, `key ${key}`, paid.clip, id('paid', paid.fetched)],
            )
          await tx.run(
            `insert into scenes (id, job_id, position, status, prompt, duration, asset_ids, transition, model, renderer, render_key,
               progress, tries, clip, source, attempt_id, inserted_at, updated_at)
             values ($1, $2, $3, $4, '', 1, $5, 'cut', 'm', 'local', $6, 0, 0, $7, $8, $9, 0, 0)`,
            [
              `${jobId}-${position}`,
              jobId,
              position,
              state,
              JSON.stringify(assets.map((one) => id('asset', one))),
              `key ${key}`,
              clip === null ? null : id('clip', clip),
              clip === null ? null : source % 2 ? id('source', source) : id('clip', clip),
              paid && `${jobId}-${position}`,
            ],
          )
        }
      }
      for (const { key, source, age: days } of renders)
        await tx.run(
          `insert into renders (render_key, artifact, attempt_id, inserted_at) values ($1, $2, 'a', $3) on conflict do nothing`,
          [`key ${key}`, id('source', source), agesAgo(days)],
        )
      for (const { left, right, age: days } of seams)
        await tx.run(
          `insert into seams (left_clip, right_clip, transition, overlap_frames, sound_phase, artifact, inserted_at)
           values ($1, $2, 'fade', 1, 0, $3, $4) on conflict do nothing`,
          [id('clip', left), id('clip', right), id('source', left), agesAgo(days)],
        )
    })

    const wanted = new Set<string>()
    const kept = await database.all('select render_key, artifact from renders')
    for (const { status, films, scenes } of jobs) {
      for (const { status: state, paid } of scenes) {
        if (!paid) continue
        const mayTake = state !== 'completed' && limits.clipsDays === null && limits.maxStoredBytes === null
        if (mayTake || paid.clip === null) wanted.add(id('paid', paid.fetched))
      }
      if (['completed', 'failed', 'cancelled'].includes(status)) continue
      for (const { film } of films) wanted.add(id('film', film)).add(id('thumbnail', film))
      for (const { status: state, clip, source, assets, key, paid } of scenes) {
        if (paid && state !== 'completed') wanted.add(id('paid', paid.fetched))
        for (const one of assets) wanted.add(id('asset', one)).add(id('master', one))
        if (clip !== null)
          wanted.add(id('clip', clip)).add(source % 2 ? id('source', source) : id('clip', clip))
        const isTaking = state === 'processing' && status !== 'pending'
        if (state === 'pending' || isTaking)
          for (const row of kept) if (row.render_key === `key ${key}`) wanted.add(String(row.artifact))
      }
    }
    const openEvents = await database.all(
      'select events.id from events join jobs on jobs.id = job_id where ended_at is null',
    )

    clock.advance(end - start)
    const artifacts = await openDiskArtifacts(directory, clock)
    const coordinator = bind({ database, host: clock }, retentionVerbs)
    const prune = createPrune({
      coordinator,
      artifacts,
      limits,
      host: clock,
      log,
      freeBytes: async () => 0,
      lead: () => {},
    })
    const would = await prune.now({ isDryRun: true })
    const did = await prune.now()
    await prune.stop()

    for (const one of wanted) expect(await artifacts.stat(one)).toBeDefined()
    const left = (await Promise.all(artifactPrefixes.map((prefix) => artifacts.list(prefix)))).flat()
    const named = await coordinator.namedArtifacts(left.map((file) => file.id))
    expect(left.filter(({ id: one, usedAt }) => !named.has(one) && usedAt < end - day)).toEqual([])
    const stillThere = new Set((await database.all('select id from events')).map((row) => row.id))
    expect(openEvents.filter((row) => !stillThere.has(row.id))).toEqual([])
    // What is removed was foretold, at least.
    expect(would.events).toBe(did.events)
    if (limits.maxStoredBytes === null)
      for (const kind of ['films', 'inputs'] as const)
        expect(would.stored[kind].bytes).toBeGreaterThanOrEqual(did.stored[kind].bytes)
  } finally {
    await database.close()
    rmSync(directory, { recursive: true, force: true })
  }
}
