/** Lists of many jobs, where what is looked for lies far apart. */
import { expect, it, test } from 'vitest'
import { newMigratedPlace } from '../store/open-database.ts'
import { openHeldHarness } from '../harness/held-tasks.ts'

it('a list finds what is rare among many thousands, page by page, each once', async () => {
  const place = await newMigratedPlace()
  const harness = await openHeldHarness({ open: () => place.open() })
  try {
    const { id, insertedAt } = await harness.job(1, { video_name: 'Hay' })
    // Copies, made where they are stored; one of 4,000 is a needle, and each comes a second after the one before.
    await harness.database.transaction((tx) =>
      tx.run(
        `with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 12000)
         insert into jobs (id, type, status, video_name, priority, parameters, storyboard, progress, price_book, client_id,
           inserted_at, updated_at)
         select $1 + n, type, case when n % 2 = 0 then 'failed' else 'pending' end,
           case when n % 4000 = 0 then 'A Needle' else video_name end, priority, parameters, storyboard, progress, price_book,
           'c' || (n % 3), inserted_at + n * 1000, updated_at from numbers, jobs where jobs.id = $1`,
        [id],
      ),
    )
    await harness.database.transaction((tx) =>
      tx.run(`insert into job_names (job_id, folded) select id, lower(video_name) from jobs where id > $1`, [
        id,
      ]),
    )
    const found = async (filter: object, limit = 1): Promise<number[]> => {
      const ids: number[] = []
      let before: number | undefined
      do {
        const page = await harness.coordinator.jobs({ ...filter, limit, before })
        expect(page.jobs.length).toBeLessThanOrEqual(limit)
        ids.push(...page.jobs.map((job) => job.id - id))
        before = page.last ?? undefined
      } while (before !== undefined)
      return ids
    }
    expect(await found({ text: 'needle' })).toEqual([12_000, 8000, 4000])
    expect(await found({ text: 'needle', statuses: ['pending'] })).toEqual([])
    expect(await found({ text: 'needle', clientId: 'c2' })).toEqual([8000])
    expect(await found({ statuses: ['completed', 'cancelled'] })).toEqual([])
    expect(
      await found({ statuses: ['failed', 'pending'], clientId: 'c0', insertedFrom: insertedAt + 11_990_000 }),
    ).toEqual([12_000, 11_997, 11_994, 11_991])
    expect(await found({ insertedBefore: insertedAt + 2500 }, 2)).toEqual([2, 1, 0])
    expect((await found({ statuses: ['failed', 'pending'] }, 200)).length).toBe(12_001)
  } finally {
    await harness.close()
    await place.remove()
  }
})

test('a name is found in any case, and composed in any way', async () => {
  const place = await newMigratedPlace()
  const harness = await openHeldHarness({ open: () => place.open() })
  try {
    const { coordinator } = harness
    const parameters = { client_id: 'finder' }
    const names = ['Улица Вязов, 12', 'École É', 'STRASSE 100%_', 'İstanbul', 'ΟΔΟΣ']
    for (const video_name of names) await harness.job(1, { video_name })
    const found = async (text: string, filter: object = {}) =>
      (await coordinator.jobs({ text, limit: 10, ...filter })).jobs.map((job) => job.videoName)
    for (const [text, name] of [
      ['лица вЯЗ', names[0]],
      ['e\u0301COLE e\u0301', names[1]],
      ['straße 100%_', names[2]],
      ['ISTANBUL', names[3]],
      ['ıstanbul', names[3]],
      ['οδος', names[4]],
      ['οδοσ', names[4]],
    ] as const)
      expect([text, await found(text)]).toEqual([text, [name]])
    expect(await found('ecole')).toEqual([])
    expect(await found('100%%')).toEqual([])
    const photos = [{ asset_id: '0'.repeat(64) }]
    const { id } = await harness.job(1, { parameters: { photos, ...parameters }, video_name: 'Zürich' })
    expect(await found('ZÜRICH', { labels: parameters })).toEqual(['Zürich'])
    await coordinator.updateJob(id, { video_name: 'Genève' })
    expect(await found('zürich')).toEqual([])
    expect(await found('GENÈVE', { labels: parameters, clientId: 'finder' })).toEqual(['Genève'])
  } finally {
    await harness.close()
    await place.remove()
  }
})
