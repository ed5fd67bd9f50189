/** All commands, in the order of the help. */
import type { Command } from './command.ts'
import { approve, cancel, deleteJobs, pause, reject, resubmit, resume, retry, set } from './control.ts'
import { doctor } from './doctor.ts'
import { events, history } from './events.ts'
import { demo, render } from './film.ts'
import { keys } from './keys.ts'
import { limits } from './limits.ts'
import { migrate } from './migrate.ts'
import { budgets, estimate, ledger, spend } from './money.ts'
import { nodes } from './nodes.ts'
import { download, list, regenerate, resolve, show, submit, watch } from './remote.ts'
import { restore, scene } from './scene.ts'
import { secret } from './secret.ts'
import { serve } from './serve.ts'
import { storage } from './storage.ts'
import { webhooks } from './webhooks.ts'

const groups: Readonly<Record<string, Readonly<Record<string, Command>>>> = {
  'On this machine:': { demo, render, serve, doctor, migrate },
  'At a running server, make a film:': {
    estimate,
    submit,
    approve,
    reject,
    resubmit,
    show,
    list,
    watch,
    download,
  },
  'Change a job:': {
    set,
    scene,
    pause,
    resume,
    cancel,
    retry,
    regenerate,
    resolve,
    restore,
    delete: deleteJobs,
  },
  'Operate the server:': {
    events,
    history,
    ledger,
    spend,
    budgets,
    limits,
    nodes,
    webhooks,
    storage,
    keys,
    secret,
  },
}

export const commands: Readonly<Record<string, Command>> = Object.assign({}, ...Object.values(groups))

export const program: Command = {
  summary: 'make films from photographs',
  options: {},
  verbs: commands,
  headings: Object.fromEntries(
    Object.entries(groups).flatMap(([heading, members]) =>
      Object.keys(members).map((name) => [name, heading]),
    ),
  ),
  lists: {
    'More:': {
      '<command> --help': 'what a command takes',
      '--version': 'the version of this program',
    },
    'Exit codes:': {
      0: 'done',
      1: 'failed or refused',
      2: 'usage error',
      130: 'interrupted',
    },
  },
}
