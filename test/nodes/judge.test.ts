/** The judge of the stories sees each broken promise, and none in a story that goes well. */
import { expect, it } from 'vitest'
import { seeded } from '../../src/fake-replicate/chance.ts'
import { isOfNode, nameOf, nodeFaults, planFaults, sharedFaults } from './faults.ts'
import { type Evidence, busiest, doubled, judge, outOfOrder } from './judge.ts'

const post = (n: number, at: number, mark = `wc-${n}`) =>
  ({ what: 'post', at, mark, created: true, prediction: `p${n}` }) as const
const prompt = (n: number, text = `look ${n}`) =>
  ({ what: 'prompt', at: 0, prediction: `p${n}`, prompt: text }) as const
const ended = (n: number, at: number) =>
  ({
    what: 'ended',
    at,
    prediction: `p${n}`,
    mark: `wc-${n}`,
    status: 'succeeded',
    billed_micros: 250_000,
  }) as const

const well: Evidence = {
  cap: 2,
  wanted: new Set(['look 1', 'look 2']),
  givenUp: new Set(),
  created: [1],
  jobs: [{ id: 1, status: 'completed', filmSize: 10, readSize: 10 }],
  provider: [post(1, 0), prompt(1), post(2, 5), prompt(2), ended(1, 10), ended(2, 20)],
  spentMicros: 500_000,
  reservedMicros: 0,
  unaccounted: 0,
  undecided: [],
  events: [
    { id: 3, type: 'job_created', job: 1, scene: null },
    { id: 8, type: 'scene_rendered', job: 1, scene: 's1' },
    { id: 9, type: 'job_completed', job: 1, scene: null },
  ],
  stream: [3, 8, 9],
  subscribers: [
    { name: 'a node', heard: [3, 8], isWhole: false },
    { name: 'another', heard: [8, 9], isWhole: true },
  ],
  webhookTypes: new Set(['job_created', 'job_completed']),
  webhooks: [
    { messageId: 'm3', event: 3, job: 1, at: 30 },
    { messageId: 'm9', event: 9, job: 1, at: 90 },
  ],
  deliveries: [
    { id: 'm3', event: 3, status: 'delivered', endedAt: 35 },
    { id: 'm9', event: 9, status: 'delivered', endedAt: 95 },
  ],
  films: [{ job: 1, versions: 1 }],
  files: new Set(['f1']),
  stored: [
    { id: 'f1', sha256: 'f1' },
    { id: 'f2', sha256: 'f2' },
  ],
  tasksLeft: 0,
}

it('finds nothing in a story that goes well', () => {
  expect(judge(well)).toEqual([])
})

it('accepts a render of a cancelled job that is cancelled at the provider, and bought again by another job', () => {
  const again = { ...ended(3, 40), status: 'canceled' }
  const provider = [...well.provider, post(3, 25), prompt(3, 'look 2'), again]
  const givenUp = new Set(['look 2', 'look 3'])
  expect(judge({ ...well, provider, givenUp, spentMicros: 750_000 })).toEqual([])
})

it.each<[string, Partial<Evidence>, string]>([
  ['a job that is not completed', { jobs: [{ ...well.jobs[0]!, status: 'failed' }] }, 'job 1 is failed'],
  ['a job that is lost', { created: [1, 2] }, 'job 2 is lost'],
  ['a job that was made twice', { created: [] }, 'job 1 was made by no answered request'],
  ['one job for two requests', { created: [1, 1] }, 'two requests got one job'],
  [
    'a film that is cut short',
    { jobs: [{ ...well.jobs[0]!, readSize: 9 }] },
    'the film of job 1 has 9 bytes instead of 10',
  ],
  [
    'an attempt that was sent twice',
    { provider: [...well.provider, { ...post(3, 30, 'wc-1'), created: false, prediction: null }] },
    'the attempt wc-1 was sent 2 times',
  ],
  [
    'a render that was bought twice',
    { provider: [...well.provider, post(3, 30), prompt(3, 'look 1'), ended(3, 40)], spentMicros: 750_000 },
    '"look 1" was billed 2 times',
  ],
  [
    'a render that nobody wanted',
    { provider: [...well.provider, post(3, 30), prompt(3), ended(3, 40)], spentMicros: 750_000 },
    '"look 3" was billed and wanted by nobody',
  ],
  [
    'a render that is missing',
    { wanted: new Set([...well.wanted, 'look 7']) },
    '"look 7" was wanted and never billed',
  ],
  ['a bill that is not booked', { spentMicros: 250_000 }, 'billed 500000, booked 250000'],
  ['money that stays reserved', { reservedMicros: 1 }, '1 stay reserved'],
  ['a render of no attempt', { unaccounted: 1 }, '1 renders belong to no attempt'],
  ['an attempt that waits for a person', { undecided: ['the attempt x is held'] }, 'the attempt x is held'],
  ['more renders than the limit', { cap: 1 }, '2 renders ran at once, with a limit of 1'],
  ['an event that the stream lost', { stream: [3, 9] }, 'the reader of the stream missed 1 events: 8'],
  [
    'an event that the stream told twice',
    { stream: [3, 8, 8, 9] },
    'the reader of the stream heard event 8 twice',
  ],
  ['events out of order', { stream: [8, 3, 9] }, 'the reader of the stream heard event 3 after 8'],
  [
    'an event that is not in the log',
    { stream: [3, 4, 8, 9] },
    'the reader of the stream heard event 4, which is not in the log',
  ],
  [
    'an event that a subscriber lost',
    { subscribers: [{ name: 'a node', heard: [3, 9], isWhole: false }] },
    'the subscriber in a node missed 1 events: 8',
  ],
  [
    'a subscriber that hears nothing more',
    { subscribers: [{ name: 'a node', heard: [3], isWhole: true }] },
    'the subscriber in a node missed 2 events: 8, 9',
  ],
  [
    'a webhook that is lost',
    { webhooks: [well.webhooks[0]!] },
    'the receiver of webhooks missed 1 events: 9',
  ],
  [
    'an event that became two messages',
    { webhooks: [...well.webhooks, { messageId: 'm10', event: 9, job: 1, at: 91 }] },
    'event 9 was sent as 2 messages',
  ],
  [
    'a webhook that is sent after its outcome was recorded',
    { webhooks: [...well.webhooks, { messageId: 'm3', event: 3, job: 1, at: 5035 }] },
    'event 3 was sent 5000 ms after its delivery was recorded',
  ],
  [
    'a delivery that does not end',
    { deliveries: [well.deliveries[0]!, { id: 'm9', event: 9, status: 'sending', endedAt: null }] },
    'the delivery of event 9 is sending',
  ],
  [
    'a change that happened twice',
    {
      events: [...well.events, { id: 10, type: 'scene_rendered', job: 1, scene: 's1' }],
      stream: [3, 8, 9, 10],
      subscribers: [],
    },
    'scene_rendered of job 1, scene s1 happened 2 times',
  ],
  [
    'a film that was published twice',
    { films: [{ job: 1, versions: 2 }] },
    'the film of job 1 was published 2 times',
  ],
  ['a file that is lost', { stored: [] }, 'the artifact f1 is not in the store'],
  [
    'a file that was written over',
    { stored: [{ id: 'f1', sha256: 'f3' }] },
    'the artifact f1 holds the bytes of f3',
  ],
  [
    'a prediction that was cancelled',
    {
      provider: [
        ...well.provider,
        post(3, 30),
        prompt(3),
        { ...ended(3, 40), status: 'canceled', billed_micros: 0 },
      ],
    },
    'the prediction p3 ended canceled, and every one was wanted',
  ],
  ['tasks that are left over', { tasksLeft: 2 }, '2 tasks are left over'],
])('sees %s', (_, changed, sentence) => {
  expect(judge({ ...well, ...changed })).toEqual([sentence])
})

it('counts renders that begin as another ends as one after the other', () => {
  expect(busiest([post(1, 0), ended(1, 10), post(2, 10), ended(2, 20)])).toBe(1)
  expect(busiest([post(1, 0), ended(1, 11), post(2, 10), ended(2, 20)])).toBe(2)
})

it('counts messages that came again, and those that a later one of their job overtook', () => {
  const [third, ninth] = well.webhooks as [Evidence['webhooks'][number], Evidence['webhooks'][number]]
  expect(doubled({ webhooks: [third, ninth, third] })).toBe(1)
  expect(outOfOrder({ webhooks: [third, ninth, third] })).toBe(0)
  expect(outOfOrder({ webhooks: [ninth, third] })).toBe(1)
})

it('plans the same faults for the same seed, each kind among the first, and always leaves one node alone', () => {
  const plan = (seed: number) =>
    planFaults({
      seconds: 60,
      nodes: 3,
      everyMs: 2000,
      restartEveryMs: 15_000,
      longestMs: 6000,
      random: seeded(seed),
    })
  expect(plan(5)).toEqual(plan(5))
  expect(plan(6)).not.toEqual(plan(5))
  for (let seed = 1; seed <= 50; seed++) {
    const faults = plan(seed)
    expect([...new Set(faults.map(nameOf))].toSorted()).toEqual([...nodeFaults, ...sharedFaults].toSorted())
    const ofNodes = faults.filter(isOfNode)
    for (const { atMs } of ofNodes)
      expect(
        ofNodes.filter((other) => other.atMs <= atMs && other.atMs + other.forMs > atMs).length,
      ).toBeLessThan(3)
  }
})
