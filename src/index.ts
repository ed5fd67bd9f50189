/** The public exports of the library. */
export {
  ArtifactError,
  type ArtifactStore,
  type ByteRange,
  type ListedArtifact,
  type StoredArtifact,
  type Workspace,
} from './artifact/artifact.ts'
export { examine } from './cli/checkup/examine.ts'
export type { Finding } from './cli/checkup/finding.ts'
export { type Config, ConfigError, readConfig } from './config.ts'
export type { WaitCode, Waiting } from './coordinator/admission/rules.ts'
export type { BudgetStanding } from './coordinator/admission/budgets.ts'
export type { Coordinator } from './coordinator/coordinator.ts'
export { JobEndedError, type WaitFor, type WaitOptions } from './coordinator/read/wait-for.ts'
export type { JobEstimate } from './coordinator/job/create-job.ts'
export type { Edited } from './coordinator/scene/edited.ts'
export type { JobCosts, JobView, SceneCosts } from './coordinator/read/job-view.ts'
export type { JobFilter } from './coordinator/read/lists.ts'
export type { KeyVerbs, NewKey } from './access/keys.ts'
export type { Feed, FeedPage, FeedQuery, FeedReader, FeedReset } from './events/feed.ts'
export type { Listener, PubSub } from './events/pubsub.ts'
export type { Asset } from './job/asset.ts'
export type { Attempt } from './job/attempt.ts'
export { type FieldProblem, type Refusal, RefusedError } from './job/errors.ts'
export type { EventType, JobEvent, Topic } from './job/event.ts'
export type { FrameFormat } from './job/format.ts'
export type { ArtifactRef, FilmManifest, Job, ListedJob, Storyboard } from './job/job.ts'
export type { AttemptStatus, JobStatus, SceneStatus } from './job/lifecycle.ts'
export type { Key } from './job/key.ts'
export type { Scope } from './job/scope.ts'
export type { Progress } from './job/progress.ts'
export type { JobRequest } from './job/request.ts'
export type { Money } from './job/price.ts'
export type { Failure, Fit, RenderSettings, Scene, ScenePlan, Transition } from './job/scene.ts'
export type { Task, TaskKind } from './job/task.ts'
export type { Delivery, DeliveryStatus, DeliveryTry, Endpoint, EndpointStatus } from './job/webhook.ts'
export { type Log, createLog } from './log.ts'
export { type Listening, listen } from './http/edge/server.ts'
export type { OwnParts } from './own-parts.ts'
export type {
  AccountOutcome,
  FetchOutcome,
  ListOutcome,
  ListedRender,
  PreparedOrder,
  Provider,
  ProviderOrder,
  ProviderRender,
  ProviderTrouble,
  ReadOutcome,
  Recognise,
  Refusal as ProviderRefusal,
  SubmitOutcome,
} from './renderer/provider.ts'
export type { RenderContext, RenderOutcome, RenderRequest, Renderer } from './renderer/renderer.ts'
export {
  type Workflow,
  type WorkflowFacts,
  type WorkflowParts,
  openDiskArtifacts,
  openWorkflow,
} from './wire.ts'
