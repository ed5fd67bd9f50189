/** The same stories over PostgreSQL: the statements are written once for both databases, and so are the promises. */
import { expect, it } from 'vitest'
import { newMigratedPlace } from '../store/open-database.ts'
import { storyOf, tell } from './scenario.ts'
import { openSimulation, priceUsd, sceneOf } from '../harness/simulation.ts'

it('stories of faults and kills keep every promise on PostgreSQL too', async () => {
  const wrong: string[] = []
  let billed = 0
  for (let seed = 1; seed <= 8; seed++) {
    const place = await newMigratedPlace()
    const outcome = await tell(storyOf(seed), () => place.open())
    billed += outcome.rendersBilled
    wrong.push(...outcome.wrong.map((sentence) => `seed ${seed}: ${sentence}`))
    await place.remove()
  }
  expect(wrong).toEqual([])
  expect(billed).toBeGreaterThan(8)
}, 1_200_000)

it('what waits for an approval, scenes that are added and moved, what was spent and a deletion are the same there', async () => {
  const place = await newMigratedPlace()
  try {
    await using simulation = await openSimulation({ open: () => place.open() })
    const { job_id } = await simulation.job([0, 1], { parameters: { transition: 'cut', client_id: 'acme' } })
    await simulation.approve(job_id)
    await simulation.ended(job_id)
    const added = await simulation.ask('POST', `/jobs/${job_id}/scenes`, sceneOf(2, { position: 0 }))
    expect(added).toMatchObject({ status: 201, body: { to_approve: priceUsd, scene: { position: 0 } } })
    const path = `/jobs/${job_id}/scenes/${added.body.scene.id}`
    expect((await simulation.ask('PUT', path, { position: 2 })).body).toMatchObject({
      scene: { position: 2 },
    })
    const waiting = { job_id, needs_approval: true, to_approve: priceUsd, client_id: 'acme' }
    expect((await simulation.get('/jobs?needs_approval=true&client_id=acme')).jobs).toMatchObject([waiting])
    expect((await simulation.ask('POST', `/jobs/${job_id}/reject`, { note: 'no' })).status).toBe(200)
    expect((await simulation.get('/jobs?needs_approval=true')).jobs).toEqual([])
    expect((await simulation.ask('POST', `/jobs/${job_id}/submit`)).status).toBe(200)
    await simulation.approve(job_id)
    expect((await simulation.ended(job_id)).status).toBe('completed')
    const { rows } = await simulation.get('/spend?group=client')
    expect(rows).toEqual([{ client_id: 'acme', spent: 1.2, reserved: 0 }])
    expect((await simulation.ask('DELETE', `/jobs/${job_id}`)).status).toBe(200)
    expect((await simulation.get('/spend?group=client')).rows).toEqual(rows)
  } finally {
    await place.remove()
  }
}, 120_000)
