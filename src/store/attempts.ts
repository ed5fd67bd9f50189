import { type Attempt, type Candidate, shortClipCode } from '../job/attempt.ts'
import { type AttemptStatus, attemptFollows, inFlightAttemptStatuses, mayPrecede } from '../job/lifecycle.ts'
import type { Failure, RenderSettings } from '../job/scene.ts'
import type { Reader, Row, SqlValue, Transaction } from './database.ts'
import { json, jsonOrNull, number, numberOrNull, ownStatus, quoted, text, textOrNull } from './sql.ts'

export const attemptOf = (row: Row): Attempt => ({
  id: text(row, 'id'),
  jobId: number(row, 'job_id'),
  sceneId: text(row, 'scene_id'),
  renderer: text(row, 'renderer'),
  model: text(row, 'model'),
  status: text(row, 'status') as AttemptStatus,
  costMicros: numberOrNull(row, 'cost_micros'),
  chargedMicros: numberOrNull(row, 'charged_micros'),
  clientId: text(row, 'client_id'),
  day: text(row, 'day'),
  renderKey: text(row, 'render_key'),
  settings: jsonOrNull<RenderSettings>(row, 'settings'),
  marks: json<string[]>(row, 'marks'),
  inputs: json<string[]>(row, 'inputs'),
  postedAt: numberOrNull(row, 'posted_at'),
  unknownSince: numberOrNull(row, 'unknown_since'),
  account: textOrNull(row, 'account'),
  prompt: textOrNull(row, 'prompt'),
  picturesFetchedAt: numberOrNull(row, 'pictures_fetched_at'),
  candidates: json<Candidate[]>(row, 'candidates'),
  providerId: textOrNull(row, 'provider_id'),
  hintedId: textOrNull(row, 'hinted_id'),
  cancelRequestedAt: numberOrNull(row, 'cancel_requested_at'),
  failure: jsonOrNull<Failure>(row, 'failure'),
  clip: textOrNull(row, 'clip') as Attempt['clip'],
  fetched: textOrNull(row, 'fetched'),
  takeTries: number(row, 'take_tries'),
  outputUrl: textOrNull(row, 'output_url'),
  renderedAt: numberOrNull(row, 'rendered_at'),
  trouble: jsonOrNull<Failure>(row, 'trouble'),
  troubleSince: numberOrNull(row, 'trouble_since'),
  insertedAt: number(row, 'inserted_at'),
  updatedAt: number(row, 'updated_at'),
})

const insert = `insert into attempts
  (id, job_id, scene_id, renderer, model, status, cost_micros, client_id, day, render_key, settings, inserted_at, updated_at)
  values ($1, $2, $3, $4, $5, $12, $6, $7, $8, $9, $10, $11, $11)`

export type NewAttempt = Pick<
  Attempt,
  | 'id'
  | 'jobId'
  | 'sceneId'
  | 'renderer'
  | 'model'
  | 'costMicros'
  | 'clientId'
  | 'day'
  | 'renderKey'
  | 'settings'
> & {
  /** Default: `intended`. A render on this machine starts with its admission as `submitted`, without a provider's id. */
  readonly status?: Extract<AttemptStatus, 'intended' | 'submitted'>
}

export const insertAttempt = (tx: Transaction, attempt: NewAttempt, now: number): Promise<void> =>
  tx.write(insert, [
    attempt.id,
    attempt.jobId,
    attempt.sceneId,
    attempt.renderer,
    attempt.model,
    attempt.costMicros,
    attempt.clientId,
    attempt.day,
    attempt.renderKey,
    attempt.settings && JSON.stringify(attempt.settings),
    now,
    attempt.status ?? 'intended',
  ])

export async function findAttempt(reader: Reader, id: string): Promise<Attempt | undefined> {
  const row = await reader.get('select * from attempts where id = $1', [id])
  return row && attemptOf(row)
}

export async function findAttemptOfRender(
  reader: Reader,
  renderer: string,
  providerId: string,
): Promise<Attempt | undefined> {
  const row = await reader.get('select * from attempts where renderer = $1 and provider_id = $2', [
    renderer,
    providerId,
  ])
  return row && attemptOf(row)
}

/** A scene's attempt that a person must or may decide; if they name a render, the attempt that may own it. */
export async function findUndecided(
  reader: Reader,
  sceneId: string,
  renderId: string | null,
): Promise<Attempt | undefined> {
  const rows = await reader.all(
    `select * from attempts where scene_id = $1 and status in ('held', 'unknown')
     order by case status when 'held' then 0 else 1 end, inserted_at`,
    [sceneId],
  )
  const undecided = rows.map(attemptOf)
  return undecided.find(({ candidates }) => candidates.some(({ id }) => id === renderId)) ?? undecided[0]
}

const moveTo = (status: AttemptStatus, columns: string, from = mayPrecede(attemptFollows, status)): string =>
  `update attempts set status = '${status}', updated_at = $2, trouble = null, trouble_since = null${columns} where id = $1 and ${ownStatus} in (${quoted(from)})`

const moves = {
  adopted: moveTo('submitted', ', provider_id = $3, failure = null'),
  succeeded: moveTo('succeeded', ', charged_micros = $3, clip = $4, rendered_at = $2, output_url = $5'),
  failed: moveTo('failed', ', charged_micros = $3, failure = $4'),
  cancelled: moveTo('cancelled', ', charged_micros = $3, failure = $4'),
  refused: moveTo('refused', ', charged_micros = 0, failure = $3'),
  unknown: moveTo('unknown', ', unknown_since = $2, failure = $3'),
  held: moveTo('held', ', failure = $3, candidates = $4'),
} as const

/** Undefined if the attempt's state does not allow the transition, because another actor was first. */
const move = async (
  tx: Transaction,
  statement: string,
  id: string,
  now: number,
  ...values: readonly SqlValue[]
): Promise<Attempt | undefined> =>
  (await tx.run(statement, [id, now, ...values])) > 0 ? findAttempt(tx, id) : undefined

const written = (failure: Failure): string => JSON.stringify(failure)

/** Records the free success of a render on this machine. Returns the number of rows: 0 if it was settled before. */
export const setRendered = (tx: Transaction, id: string, now: number): Promise<number> =>
  tx.run(moves.succeeded, [id, now, 0, 'kept', null])

/** Starts renders on this machine that an earlier version admitted without starting them. */
export const submitIntended = (tx: Transaction, renderer: string, now: number): Promise<number> =>
  tx.run(
    `update attempts set status = 'submitted', updated_at = $2 where renderer = $1 and status = 'intended'`,
    [renderer, now],
  )

/** Records the provider's id of the render. */
export const setAdopted = (
  tx: Transaction,
  id: string,
  providerId: string,
  now: number,
): Promise<Attempt | undefined> => move(tx, moves.adopted, id, now, providerId)

/** `clip`: null if it must still be fetched from `outputUrl`. */
export const setSucceeded = (
  tx: Transaction,
  id: string,
  { chargedMicros, clip, outputUrl }: Pick<Attempt, 'chargedMicros' | 'clip' | 'outputUrl'>,
  now: number,
): Promise<Attempt | undefined> => move(tx, moves.succeeded, id, now, chargedMicros, clip, outputUrl)

export const setAttemptFailed = (
  tx: Transaction,
  id: string,
  chargedMicros: number | null,
  failure: Failure,
  now: number,
): Promise<Attempt | undefined> => move(tx, moves.failed, id, now, chargedMicros, written(failure))

export const setAttemptCancelled = (
  tx: Transaction,
  id: string,
  chargedMicros: number | null,
  failure: Failure,
  now: number,
): Promise<Attempt | undefined> => move(tx, moves.cancelled, id, now, chargedMicros, written(failure))

/** Records that the provider provably did not accept the request: nothing is charged. */
export const setRefused = (
  tx: Transaction,
  id: string,
  failure: Failure,
  now: number,
): Promise<Attempt | undefined> => move(tx, moves.refused, id, now, written(failure))

export const setUnknown = (
  tx: Transaction,
  id: string,
  failure: Failure,
  now: number,
): Promise<Attempt | undefined> => move(tx, moves.unknown, id, now, written(failure))

export const setHeld = (
  tx: Transaction,
  id: string,
  failure: Failure,
  candidates: readonly Candidate[],
  now: number,
): Promise<Attempt | undefined> => move(tx, moves.held, id, now, written(failure), JSON.stringify(candidates))

/** Records why the outcome is still unknown. Returns the number of rows: 0 if nothing changed. */
export const noteUnknown = (tx: Transaction, id: string, failure: Failure): Promise<number> =>
  tx.run(`update attempts set failure = $2 where id = $1 and ${ownStatus} = 'unknown' and failure <> $2`, [
    id,
    written(failure),
  ])

/** Records the provider's first fetch of a picture. Returns the number of rows: 0 if recorded before. */
export const setPicturesFetched = (tx: Transaction, id: string, now: number): Promise<number> =>
  tx.run(
    `update attempts set pictures_fetched_at = $2
     where id = $1 and posted_at is not null and pictures_fetched_at is null`,
    [id, now],
  )

/** Evidence committed before a request is sent, used to find the render again. */
export type Posting = Pick<Attempt, 'marks' | 'inputs' | 'account' | 'prompt'>

const post = `update attempts set posted_at = $2, marks = $3, inputs = $4, account = $5, prompt = $6,
  updated_at = $2
  where id = $1 and ${ownStatus} = 'intended' and posted_at is null and cancel_requested_at is null`

/** Marks the request as possibly sent. Returns the number of rows: 0 if it was sent or cancelled before. */
export const setPosted = (
  tx: Transaction,
  id: string,
  { marks, inputs, account, prompt }: Posting,
  now: number,
): Promise<number> => tx.run(post, [id, now, JSON.stringify(marks), JSON.stringify(inputs), account, prompt])

/** Records the render id that a webhook names for an attempt without one. */
export const setHinted = (tx: Transaction, id: string, hintedId: string, now: number): Promise<number> =>
  tx.run(
    `update attempts set hinted_id = $3, updated_at = $2
     where id = $1 and provider_id is null and ${ownStatus} in ('intended', 'unknown', 'held')`,
    [id, now, hintedId],
  )

const inFlight = quoted(inFlightAttemptStatuses)

/** Whether an attempt that is looked for may own a render. */
export const isHinted = async (reader: Reader, renderer: string, renderId: string): Promise<boolean> =>
  (await reader.get(
    `select 1 as found from attempts where renderer = $1 and hinted_id = $2 and status in (${inFlight})`,
    [renderer, renderId],
  )) !== undefined

/** Removes the hinted id of a held attempt: that render is not its own. */
export const forgetHint = (
  tx: Transaction,
  id: string,
  hintedId: string,
  failure: Failure,
  now: number,
): Promise<number> =>
  tx.run(
    `update attempts set hinted_id = null, failure = $4, updated_at = $2
     where id = $1 and hinted_id = $3 and ${ownStatus} = 'held'`,
    [id, now, hintedId, written(failure)],
  )

/** Records why its state cannot be read at the provider. Returns the number of rows: 0 if nothing changed. */
export const setTrouble = (tx: Transaction, id: string, trouble: Failure, since: number): Promise<number> =>
  tx.run(
    `update attempts set trouble = $2, trouble_since = coalesce(trouble_since, $3)
     where id = $1 and (trouble is null or trouble <> $2)`,
    [id, written(trouble), since],
  )

/** Records that its state can be read again. Returns the number of rows: 0 if there was no trouble. */
export const endTrouble = (tx: Transaction, id: string): Promise<number> =>
  tx.run(
    `update attempts set trouble = null, trouble_since = null where id = $1 and trouble_since is not null`,
    [id],
  )

export const requestCancel = (tx: Transaction, id: string, now: number): Promise<number> =>
  tx.run(
    `update attempts set cancel_requested_at = $2, updated_at = $2
     where id = $1 and cancel_requested_at is null and ${ownStatus} in (${inFlight})`,
    [id, now],
  )

/** Attempts at a renderer that count for admission, over all jobs and nodes. */
export interface Occupancy {
  /** Occupied slots: renders that run or may run. */
  readonly inFlight: number
  /** Of these, not sent yet. */
  readonly unsent: number
  /** Of these, sent but neither accepted nor refused yet. */
  readonly unanswered: number
}

/**
 * SQL: an attempt that occupies a slot. A held one is older than the provider's own time limit for renders, so it does
 * not. Nor does a render here that waits after a crash, so that others continue meanwhile. $2: now.
 */
export const takesSlot = `status in (${inFlight}) and status <> 'held' and not exists (
  select 1 from tasks join jobs on jobs.id = tasks.job_id
  where tasks.kind = 'render-scene' and tasks.subject = attempts.id and tasks.crashed_at is not null
    and (tasks.run_at > $2 or jobs.paused_at is not null))`

/** When the `nth` last request was sent to a renderer, ms since the epoch; undefined if there were fewer. */
export async function postedAt(reader: Reader, renderer: string, nth: number): Promise<number | undefined> {
  const row = await reader.get(
    `select posted_at from attempts where renderer = $1 and posted_at is not null
     order by posted_at desc limit 1 offset $2`,
    [renderer, nth - 1],
  )
  return (row && numberOrNull(row, 'posted_at')) ?? undefined
}

/** Number of slots at a renderer that each client occupies. */
export async function occupancyByClient(
  reader: Reader,
  renderer: string,
  now: number,
): Promise<ReadonlyMap<string, number>> {
  const rows = await reader.all(
    `select client_id, count(*) as attempts from attempts where renderer = $1 and ${takesSlot} group by client_id`,
    [renderer, now],
  )
  return new Map(rows.map((row) => [text(row, 'client_id'), number(row, 'attempts')]))
}

/** Attempts that run or may run at their renderer, oldest first. After a crash each needs a task. */
export const listInFlight = async (reader: Reader): Promise<readonly Attempt[]> =>
  (await reader.all(`select * from attempts where status in (${inFlight}) order by inserted_at, id`)).map(
    attemptOf,
  )

/** A job's attempts that scenes wait for: in flight, or succeeded with a clip to fetch. */
export const listJobUnfinished = async (reader: Reader, jobId: number): Promise<readonly Attempt[]> =>
  (
    await reader.all(
      `select * from attempts where job_id = $1
         and (status in (${inFlight}) or (status = 'succeeded' and clip is null))`,
      [jobId],
    )
  ).map(attemptOf)

/** A job's unfinished attempts, as above, and the attempts of its processing scenes. */
export const listCurrentAttempts = async (reader: Reader, jobId: number): Promise<readonly Attempt[]> =>
  (
    await reader.all(
      `select * from attempts where job_id = $1
         and (status in (${inFlight}) or (status = 'succeeded' and clip is null)
           or id in (select attempt_id from scenes where job_id = $1 and ${ownStatus} = 'processing'))`,
      [jobId],
    )
  ).map(attemptOf)

/** A job's attempts in flight. */
export const listJobInFlight = async (reader: Reader, jobId: number): Promise<readonly Attempt[]> =>
  (
    await reader.all(
      `select * from attempts where job_id = $1 and ${ownStatus} in (${inFlight}) order by inserted_at, id`,
      [jobId],
    )
  ).map(attemptOf)

/** Succeeded attempts whose clips must be fetched or verified: they are paid for, even if their scenes are gone. */
export const listUnfetched = async (reader: Reader): Promise<readonly Attempt[]> =>
  (
    await reader.all(
      `select * from attempts where status = 'succeeded' and clip is null order by inserted_at, id`,
    )
  ).map(attemptOf)

/** Returns the number of rows: 0 if the clip was settled before. `failure`: why the clip is lost. */
export const setClip = (
  tx: Transaction,
  id: string,
  clip: NonNullable<Attempt['clip']>,
  failure: Failure | null,
  now: number,
): Promise<number> =>
  tx.run(
    `update attempts set clip = $3, failure = $4, updated_at = $2, trouble = null, trouble_since = null
     where id = $1 and ${ownStatus} = 'succeeded' and clip is null`,
    [id, now, clip, failure && written(failure)],
  )

/** Records the artifact of the clip's bytes as received; null: they are gone. */
export const setFetched = (
  tx: Transaction,
  id: string,
  fetched: string | null,
  now: number,
): Promise<number> =>
  tx.run(
    `update attempts set fetched = $3, take_tries = 0, failure = null, updated_at = $2
     where id = $1 and ${ownStatus} = 'succeeded' and clip is null`,
    [id, now, fetched],
  )

/** Counts another failure of FFmpeg on the fetched clip. */
export const setTakeFailed = async (
  tx: Transaction,
  id: string,
  failure: Failure,
  now: number,
): Promise<Attempt | undefined> =>
  move(
    tx,
    `update attempts set take_tries = take_tries + 1, failure = $3, updated_at = $2
     where id = $1 and ${ownStatus} = 'succeeded' and clip is null and fetched is not null`,
    id,
    now,
    written(failure),
  )

/** Records that a verified clip is unusable after all. `fetched`: artifact of its bytes, which stay; null: gone. */
export const setClipUnusable = (
  tx: Transaction,
  id: string,
  fetched: string | null,
  failure: Failure,
  now: number,
): Promise<number> =>
  tx.run(
    `update attempts set clip = 'lost', fetched = $3, failure = $4, updated_at = $2
     where id = $1 and ${ownStatus} = 'succeeded' and clip = 'kept'`,
    [id, now, fetched, written(failure)],
  )

/**
 * SQL: a paid attempt whose clip is not verified. It is being fetched, or its bytes are stored and FFmpeg failed on
 * them.
 */
export const isUntaken = `attempts.status = 'succeeded'
  and (attempts.clip is null or attempts.clip = 'lost' and attempts.fetched is not null)`

/** Whether the scene's own attempt has such a clip for the scene's present render key. */
export const hasUntaken = async (
  reader: Reader,
  attemptId: string | null,
  renderKey: string,
): Promise<boolean> =>
  attemptId !== null &&
  (await reader.get(`select 1 as found from attempts where id = $1 and render_key = $2 and ${isUntaken}`, [
    attemptId,
    renderKey,
  ])) !== undefined

/** Lets FFmpeg try a given-up, stored clip again. The failure `clip_short` stays: the person who retries accepts it. */
export const setTakenAgain = (tx: Transaction, id: string, now: number): Promise<number> =>
  tx.run(
    `update attempts set clip = null, take_tries = 0, updated_at = $2,
       failure = case when failure like '{"code":"${shortClipCode}"%' then failure else null end
     where id = $1 and ${ownStatus} = 'succeeded' and clip = 'lost' and fetched is not null`,
    [id, now],
  )

/** SQL: an attempt that renders, or whose clip is being fetched. Held ones do not count: they may stay so for days. */
export const isRendering = `(attempts.status in (${inFlight}) and attempts.status <> 'held'
  or attempts.status = 'succeeded' and attempts.clip is null)`

/** Whether an equal render is in progress. */
export const isBeingRendered = async (reader: Reader, renderKey: string): Promise<boolean> =>
  (await reader.get(`select 1 as found from attempts where render_key = $1 and ${isRendering} limit 1`, [
    renderKey,
  ])) !== undefined

/** Whether the scene's own attempt with this render key is held. */
export const isHeldFor = async (reader: Reader, sceneId: string, renderKey: string): Promise<boolean> =>
  (await reader.get(
    `select 1 as found from attempts where scene_id = $1 and render_key = $2 and status = 'held' limit 1`,
    [sceneId, renderKey],
  )) !== undefined

/** Attempts sent since `after` without a known render, which a listing may contain. */
export const listUnmatched = async (
  reader: Reader,
  renderer: string,
  after: number,
): Promise<readonly Attempt[]> =>
  (
    await reader.all(
      'select * from attempts where renderer = $1 and posted_at >= $2 and provider_id is null order by posted_at',
      [renderer, after],
    )
  ).map(attemptOf)

/** Provider accounts with unsettled attempts, and the number of these. */
export async function accountsInFlight(
  reader: Reader,
  renderer: string,
): Promise<ReadonlyMap<string, number>> {
  const rows = await reader.all(
    `select account, count(*) as attempts from attempts
     where renderer = $1 and account is not null
       and (status in (${inFlight}) or (status = 'succeeded' and clip is null and fetched is null))
     group by account`,
    [renderer],
  )
  return new Map(rows.map((row) => [text(row, 'account'), number(row, 'attempts')]))
}

/** Filters the ledger: attempts that cost money, or may. */
export interface LedgerFilter {
  readonly status?: AttemptStatus | undefined
  readonly jobId?: number | undefined
  readonly clientId?: string | undefined
  /** The client that the actor's key is bound to. */
  readonly boundTo?: string | undefined
  /** ms since the epoch: `from` inclusive, `until` exclusive. */
  readonly from?: number | undefined
  readonly to?: number | undefined
}

/** The condition of a filter in SQL; appends its parameters to `params`. Free attempts are never included. */
export function ledgerCondition(filter: LedgerFilter, params: SqlValue[]): string {
  const bind = (value: SqlValue): string => `$${params.push(value)}`
  return [
    '(cost_micros is null or cost_micros > 0)',
    ...(filter.status === undefined ? [] : [`status = ${bind(filter.status)}`]),
    ...(filter.jobId === undefined ? [] : [`job_id = ${bind(filter.jobId)}`]),
    ...(filter.clientId === undefined ? [] : [`client_id = ${bind(filter.clientId)}`]),
    ...(filter.boundTo === undefined ? [] : [`client_id = ${bind(filter.boundTo)}`]),
    ...(filter.from === undefined ? [] : [`inserted_at >= ${bind(filter.from)}`]),
    ...(filter.to === undefined ? [] : [`inserted_at < ${bind(filter.to)}`]),
  ].join(' and ')
}

export interface LedgerQuery extends LedgerFilter {
  /** Cursor: only entries older than this one. */
  readonly before?: { readonly insertedAt: number; readonly id: string } | undefined
  readonly limit: number
}

/** Newest first. */
export async function listPaid(reader: Reader, query: LedgerQuery): Promise<readonly Attempt[]> {
  const params: SqlValue[] = []
  const bind = (value: SqlValue): string => `$${params.push(value)}`
  const { before } = query
  const found = ledgerCondition(query, params)
  const page = before
    ? ` and (inserted_at < ${bind(before.insertedAt)} or (inserted_at = ${bind(before.insertedAt)} and id < ${bind(before.id)}))`
    : ''
  const rows = await reader.all(
    `select * from attempts where ${found}${page} order by inserted_at desc, id desc limit ${bind(query.limit)}`,
    params,
  )
  return rows.map(attemptOf)
}

/** Returns those of these renders that belong to attempts. */
export async function knownRenders(
  reader: Reader,
  renderer: string,
  providerIds: readonly string[],
): Promise<ReadonlySet<string>> {
  const known = new Set<string>()
  for (const id of providerIds) if (await findAttemptOfRender(reader, renderer, id)) known.add(id)
  return known
}
