/** What operations do beyond their summary, and what each refuses: one entry for each operation id; a test misses none. */

export interface OperationText {
  readonly about: string
  /** Refusals of its own, by status. What comes of its key, its address or its body is added to them (`answers.ts`). */
  readonly refuses?: Readonly<Partial<Record<RefusedStatus, string>>>
}

export type RefusedStatus = 404 | 409 | 410 | 415 | 422

const scene = { 422: "The scene is one of another job's" } as const

const sceneState = (what: string): { readonly 422: string } => ({
  422: `The scene is one of another job's, or ${what}`,
})

const film = {
  404: 'There is no such job, or its film is not finished: `current_status` names its state',
  410: 'The film was removed: `removed_at` says when',
} as const

const endpoint = { 404: 'There is no such endpoint' } as const
const key = { 404: 'There is no such key' } as const

export const operationTexts: Readonly<Record<string, OperationText>> = {
  createJob: {
    about:
      'Checks the request, plans the scenes and estimates their cost. The job is `pending`: it renders and spends nothing before `POST /jobs/{id}/approve`. The member `type` decides which `parameters` it takes.',
    refuses: { 422: 'The request is well-formed and impossible: `problems` names each wrong member' },
  },
  listJobs: {
    about:
      'A page of the jobs that the key sees, newest first. All filters given must match. To continue, send `next_cursor` as `cursor`; a page may hold fewer jobs than `limit`, and `next_cursor` is null on the last.',
  },
  readJob: {
    about:
      'All that is known of a job, with its storyboard, its costs by scene, why it waits and when its film is expected.',
  },
  updateJob: {
    about: 'Changes the members that the body names, and nothing else. Null removes a start or a deadline.',
    refuses: { 422: 'The body is impossible, or the job has ended: `current_status` names its state' },
  },
  approveJob: {
    about:
      'Lets a pending job spend its estimate, or `max_cost`. On a job whose scenes were changed it allows what they cost more. When it answers, the approval is on disk, and rendering begins by itself.',
    refuses: {
      422: 'The job is in a state that cannot be approved, `revision` is not its latest, or the sum is too low; the members name the state and the sums',
    },
  },
  cancelJob: {
    about:
      'Stops what runs for a job that has not ended, on this machine and at providers. What they already charged stays charged.',
    refuses: { 422: 'The body is impossible, or the job has ended: `current_status` names its state' },
  },
  retryJob: {
    about:
      'Renders what is missing of a failed or cancelled job and keeps its finished clips. It is an approval of what is left.',
    refuses: {
      422: 'The job has neither failed nor been cancelled, or it costs more than is allowed; the members name the state and the sums',
    },
  },
  rejectJob: {
    about:
      'Sends a job that waits for approval back to its maker, with a note. It is not approved before it is submitted again.',
    refuses: {
      422: 'The note is missing, or nothing of the job waits for approval: `current_status` names its state',
    },
  },
  submitJob: {
    about: 'Submits a rejected job again: it waits for an approval as before.',
    refuses: { 422: 'The job is not rejected: `current_status` names its state' },
  },
  deleteJob: {
    about:
      'Deletes a job that has ended, with its scenes and films. Its attempts and costs stay in the ledger, and its events in the log.',
    refuses: {
      422: 'The job has not ended, a render of it is held or not settled, messages to its `webhook_url` or other jobs wait: `reason` says which',
    },
  },
  pauseJob: {
    about: 'Starts no further render for the job. Renders that run finish, and their clips are kept.',
    refuses: { 422: 'The body is impossible, or the job has ended: `current_status` names its state' },
  },
  resumeJob: {
    about: 'Ends the pause of a job: its scenes take their place in the queue again.',
    refuses: { 422: 'The job has ended: `current_status` names its state' },
  },
  approveJobs: {
    about:
      'Approves up to 200 jobs in the order given. Each has its own result; one that is refused stops no other.',
    refuses: { 422: 'The list is impossible; a job that is refused is told in `results` with 200' },
  },
  cancelJobs: {
    about:
      'Cancels up to 200 jobs in the order given. Each has its own result; one that is refused stops no other.',
    refuses: { 422: 'The list is impossible; a job that is refused is told in `results` with 200' },
  },

  listScenes: {
    about: 'Every scene of a job with its state, its plan, its price and the address of its clip.',
  },
  readScene: {
    about: 'One scene with its state, its plan, its price and the address of its clip.',
    refuses: scene,
  },
  addScene: {
    about:
      'Adds a scene at `position`, or at the end of the film. What it costs beyond the approved sum has to be approved.',
    refuses: {
      422: 'The body is impossible, the job is being processed, or it has as many scenes as are allowed',
    },
  },
  updateScene: {
    about:
      'Changes the members that the body names. What makes the clip old is rendered again once its cost is approved; the film stays until there is a new one.',
    refuses: sceneState('the body is impossible, or the scene is being rendered'),
  },
  deleteScene: {
    about: 'Removes a scene. Scenes behind it move up, and a finished film is joined again without it.',
    refuses: sceneState('the job is being processed, or it is its only scene'),
  },
  regenerateScene: {
    about:
      'Renders a completed or failed scene again. It costs what a render costs; where that is more than was approved, it waits for approval.',
    refuses: sceneState('it is in a state that cannot be rendered again'),
  },
  resolveScene: {
    about:
      'Settles an attempt that is held because nothing proves whether the provider accepted it: `adopt` names its render, `absent` allows another.',
    refuses: sceneState('the body is impossible, or no attempt of the scene is held'),
  },

  film: {
    about:
      'The finished film as MP4. Its address stays the same when there is a new film; `ETag` tells them apart.',
    refuses: film,
  },
  thumbnail: { about: 'A frame of the finished film as JPEG.', refuses: film },
  listFilmVersions: {
    about: 'Every film that the job has had, with its address, its length and its size; the latest first.',
  },
  filmVersion: {
    about: 'One film of the job as it was finished. The bytes at this address never change.',
    refuses: { 404: 'There is no such job, or it has no film of this version', 410: film[410] },
  },
  showFilm: {
    about:
      "Publishes an earlier film once more, as the job's newest. Nothing is rendered, and no version is lost.",
    refuses: {
      404: 'There is no such job, or it has no film of this version',
      410: film[410],
      422: 'Another film of the job is being made, or it has 200 versions: `reason` says which',
    },
  },
  clip: {
    about:
      'The clip of a completed scene. Of a scene whose paid clip cannot be used it is the bytes as they came.',
    refuses: {
      ...scene,
      404: 'There is no such job or scene, or its clip is not finished: `current_status` names its state',
      410: 'The clip was removed: `removed_at` says when',
    },
  },

  uploadAsset: {
    about:
      'Keeps a photograph (JPEG, PNG, WebP, AVIF or HEIC) and answers the id that jobs name it by. The same bytes have the same id, so that an upload may be repeated.',
    refuses: {
      415: 'The format is not taken, or the body is neither an image nor a form',
      422: 'The image is empty, damaged or too costly to decode: `kind` says which',
    },
  },
  readAsset: {
    about:
      'The size and the type of a photograph. A key that is bound to a client finds its own photographs alone.',
    refuses: {
      404: 'There is no such photograph',
      410: 'The photograph was removed: `removed_at` says when',
    },
  },
  assetData: {
    about: 'The bytes of a photograph, as they were uploaded. They never change.',
    refuses: {
      404: 'There is no such photograph',
      410: 'The photograph was removed: `removed_at` says when',
    },
  },

  estimateJob: {
    about:
      'Plans a job as `POST /jobs` does, and keeps nothing. Tells its cost by scene, its storyboard and when its film would be finished.',
    refuses: { 422: 'The request is well-formed and impossible: `problems` names each wrong member' },
  },
  readLedger: {
    about:
      'The attempts that the key sees, newest first, with the sums of all that the filters find. Any filter may be left out.',
  },
  readSpend: {
    about:
      'What was spent and is reserved, by client, by month or by both: as JSON, or as CSV where the client accepts `text/csv` or asks for `format=csv`.',
  },
  readBudgets: { about: 'Each budget in force with its limit and with what is reserved and spent of it.' },
  setBudgets: {
    about:
      'Sets the budgets that the body names. They hold at once, also for jobs that were approved before.',
    refuses: { 422: 'A name or a sum is impossible: `problems` names each' },
  },

  events: {
    about:
      'Sends server-sent events if the client accepts `text/event-stream`, otherwise a page as JSON. A stream resumes after `Last-Event-ID`, which browsers send by themselves, or after `after`.',
  },
  createEventsToken: {
    about:
      'Answers a token for event streams alone, as `?token=`: `EventSource` in a browser sends no key. It sees what the key sees, and ends with it or after 15 minutes.',
  },
  watchJob: {
    about:
      "The same as `GET /events` for one job. The stream stays open after the job's end: it may be retried.",
  },
  readHistory: {
    about:
      'The events of a job in words, with who asked for each and why. To continue, send `next_after` as `after`.',
  },

  listWebhookEndpoints: {
    about: 'All endpoints that were added, with whether they are enabled; with `job_id` the one of a job.',
  },
  addWebhookEndpoint: {
    about:
      'Events from now on are sent to the address, signed by Standard Webhooks with the `secret` of the answer.',
    refuses: {
      422: 'The address is not of the public internet, a type is unknown, or there are as many endpoints as are allowed',
    },
  },
  readWebhookEndpoint: { about: 'An endpoint with its state, and why it is disabled.', refuses: endpoint },
  changeWebhookEndpoint: {
    about:
      'Changes the members that the body names. An endpoint that is enabled again receives what happens from then on.',
    refuses: { ...endpoint, 422: 'The address is not of the public internet, or a member is impossible' },
  },
  removeWebhookEndpoint: {
    about: 'Removes an endpoint with the log of its deliveries. What waits for it is not sent.',
    refuses: endpoint,
  },
  readWebhookSecret: {
    about: 'The secret that messages to this endpoint are signed with, and those before it that still count.',
    refuses: endpoint,
  },
  rotateWebhookSecret: {
    about: 'Makes a new secret. For 24 hours messages carry a signature by each of the two.',
    refuses: { ...endpoint, 422: 'The endpoint is the `webhook_url` of a job: those share one secret' },
  },
  testWebhookEndpoint: {
    about: 'Sends a message of the type `ping`, to try the address and the signature.',
    refuses: { ...endpoint, 422: 'The endpoint is disabled' },
  },
  listWebhookDeliveries: {
    about:
      'Messages to an endpoint with their state and their number of tries. To continue, send `next_cursor` as `cursor`.',
    refuses: endpoint,
  },
  readWebhookDelivery: {
    about: 'A message as it is sent, and what each try was answered.',
    refuses: { 404: 'There is no such delivery' },
  },
  redeliverWebhook: {
    about:
      'Sends a message again, as often as a new one if it has to be. Its `webhook-id` stays, so that a receiver recognises it.',
    refuses: { 404: 'There is no such delivery', 422: 'Its endpoint is disabled, or it is being sent' },
  },
  readSharedWebhookSecret: { about: 'One secret signs the messages to the `webhook_url` of all jobs.' },
  rotateSharedWebhookSecret: {
    about:
      'Makes a new secret for the `webhook_url` of jobs. For 24 hours messages carry a signature by each of the two.',
  },

  listKeys: {
    about:
      'All keys with their scopes and their last use. Their secrets are not stored, so they cannot be shown.',
  },
  createKey: {
    about:
      'Creates a key with the scopes given. The member `key` of the answer is what a client sends; it is shown this once.',
    refuses: { 422: 'A member is impossible, or there are as many keys as are allowed' },
  },
  rotateKey: {
    about: 'Makes a new secret for a key. The old one is accepted for `grace_seconds`.',
    refuses: { ...key, 422: 'A member is impossible, or the key is revoked or has expired' },
  },
  revokeKey: { about: 'Ends a key at once. Streams that it has opened are closed.', refuses: key },
  rotateSecret: {
    about:
      'Replaces the secret that signs addresses for providers. Addresses by the old one are accepted for `grace_seconds`.',
    refuses: { 422: 'A member is impossible' },
  },

  readLimits: {
    about:
      'The limits in force for jobs and for each renderer, how much of them is used, and what is paused.',
  },
  setLimits: {
    about: 'Changes the limits that the body names at once. Renders that run beyond a lower limit finish.',
    refuses: { 422: 'A renderer is unknown, or a limit is impossible' },
  },
  pause: {
    about:
      'Starts no further render at the renderer named, or at any. It lasts until `POST /resume`, also over restarts.',
    refuses: { 422: 'A member is impossible, or the renderer is unknown' },
  },
  resume: {
    about:
      'Ends the pause of the renderer named, or of all. Renders start again by their place in the queue.',
    refuses: { 422: 'A member is impossible, or the renderer is unknown' },
  },
  readStorage: {
    about:
      'How many bytes films, clips and photographs take, how long they are kept, and how much room the disk has.',
  },
  pruneStorage: {
    about:
      'Removes what is older than it is to be kept, or beyond the size allowed. With `dry_run` it only tells what would go.',
    refuses: { 422: 'A member is impossible' },
  },
  readMetrics: {
    about: 'Counters and gauges of jobs, renders, money, queue and storage in the text format of Prometheus.',
  },
  isAlive: { about: 'For a liveness probe: whether the process answers. It looks at nothing else.' },
  isReady: {
    about:
      'For a readiness probe: whether database, disk and FFmpeg can be used. While the server drains it is not ready.',
  },
}
