/** Every command but serve, which has signals and a log of its own. */
import type { Command } from './command.ts'
import { approve, cancel, pause, resume, retry, set } from './control.ts'
import { doctor } from './doctor.ts'
import { events, history } from './events.ts'
import { demo, render } from './film.ts'
import { keys } from './keys.ts'
import { limits } from './limits.ts'
import { budgets, estimate, ledger } from './money.ts'
import { download, list, regenerate, resolve, show, submit, watch } from './remote.ts'
import { secret } from './secret.ts'
import { storage } from './storage.ts'
import { webhooks } from './webhooks.ts'

export const commands: Readonly<Record<string, Command>> = {
  demo,
  render,
  estimate,
  submit,
  approve,
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
  events,
  history,
  ledger,
  budgets,
  limits,
  webhooks,
  storage,
  keys,
  secret,
  doctor,
}
