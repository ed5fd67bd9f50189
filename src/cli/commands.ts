/** Every command but serve, which has signals and a log of its own. */
import type { Command } from './command.ts'
import { approve, cancel, deleteJobs, pause, reject, resubmit, resume, retry, set } from './control.ts'
import { doctor } from './doctor.ts'
import { events, history } from './events.ts'
import { demo, render } from './film.ts'
import { keys } from './keys.ts'
import { limits } from './limits.ts'
import { budgets, estimate, ledger, spend } from './money.ts'
import { download, list, regenerate, resolve, show, submit, watch } from './remote.ts'
import { restore, scene } from './scene.ts'
import { secret } from './secret.ts'
import { storage } from './storage.ts'
import { webhooks } from './webhooks.ts'

export const commands: Readonly<Record<string, Command>> = {
  demo,
  render,
  estimate,
  submit,
  approve,
  reject,
  resubmit,
  show,
  list,
  watch,
  download,
  set,
  pause,
  resume,
  cancel,
  retry,
  regenerate,
  resolve,
  scene,
  restore,
  delete: deleteJobs,
  events,
  history,
  ledger,
  spend,
  budgets,
  limits,
  webhooks,
  storage,
  keys,
  secret,
  doctor,
}
