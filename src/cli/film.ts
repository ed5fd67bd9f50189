/** demo and render: photographs in, a film out, through a real server that lives as long as the command. */
import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { commandLine } from '../command-name.ts'
import type { JobAnswer } from '../http/routes/jobs.ts'
import type { ApprovalRequest } from '../job/control-request.ts'
import { printable } from '../printable.ts'
import type { Drawing } from '../sample/sample.ts'
import { canAsk, confirm, print, printJsonLine } from './asking.ts'
import { type Client, connect } from './client.ts'
import { CommandError, usageError } from './command-error.ts'
import { type Command, type CommandContext, command } from './command.ts'
import { type Read, filmOptions } from './option.ts'
import { type Output, chooseOutput, saveFilm } from './output.ts'
import { type Bill, type OwnReplicate, startOwnReplicate } from './own-replicate.ts'
import { type OwnServer, startOwnServer } from './own-server.ts'
import { type Step, createDisplay, createStep, followJob } from './progress.ts'
import { checkReadable, filmRequest, uploadPhotos } from './request.ts'
import { planLines, planOfJob } from './view.ts'
import { count, spokenCost, spokenDuration, spokenLength, spokenSize } from './words.ts'

const options = {
  ...filmOptions,
  out: { type: 'string' },
  force: { type: 'boolean', default: false },
  yes: { type: 'boolean', default: false },
  keep: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

/** Shown at its best, and at a price that a person remembers. */
const playModel = 'google/veo-3.1-fast'

export const demo: Command = command(
  { ...options, 'replicate-fake': { type: 'boolean', default: false } },
  (context, read) => renderFilm(context, read, read.values['replicate-fake']),
)

export const render: Command = command(options, async (context, read) => {
  if (read.positionals.length === 0) throw usageError('render needs at least one photograph')
  await renderFilm(context, read, false)
})

async function renderFilm(
  context: CommandContext,
  { values, positionals }: Read<typeof options>,
  isPlay: boolean,
): Promise<void> {
  const { env, signal } = context
  await checkReadable(positionals)
  const output = await chooseOutput(values.out, values.force)

  const begun = performance.now()
  const folder = await mkdtemp(join(tmpdir(), 'coordinator-demo-'))
  const stake = { isPaid: false }
  let server: OwnServer | undefined
  let replicate: OwnReplicate | undefined
  try {
    const say = (...lines: string[]): void => void (values.json || print(context, ...lines))
    using step = createStep(context.terminal, { silent: values.json })
    if (isPlay) replicate = await startOwnReplicate(folder, env)
    // Drawn while the server starts.
    const drawn =
      positionals.length > 0 ? Promise.resolve(positionals) : samplePhotos(folder, { say, step, signal })
    drawn.catch(() => {})
    server = await startOwnServer(folder, { ...env, ...replicate?.serverEnv }, { isReached: isPlay })
    const client = connect(server.url, signal)
    const photos = await drawn
    const model = values.model ?? (isPlay ? playModel : undefined)
    const wishes = { ...values, model, isPlay, stake, say, step, ...context }
    const making = makeFilm(client, photos, output, wishes)
    const job = await Promise.race([making, server.died, ...(replicate ? [replicate.died] : [])])
    stake.isPaid = false
    const bill = await replicate?.bill()
    tellResult({ job, output, bill, tookMs: performance.now() - begun }, context, values.json)
    if (values.keep) say(`  Data kept in ${folder}`, '')
    if (bill) checkBill(bill, job)
  } catch (error) {
    throw server ? await server.explain(error) : error
  } finally {
    await server?.stop()
    await replicate?.stop()
    if (stake.isPaid) tellKept(folder)
    else if (!values.keep) await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** What was paid for is not thrown away, whatever ended the command. */
const tellKept = (folder: string): void =>
  void process.stderr.write(
    `\nWhat is paid for is kept, at Replicate for an hour. To go on where it ended:\n` +
      `${printable(`  DATA_DIR=${folder} ${commandLine('serve')}`)}\n`,
  )

/** Resolves with the pictures' paths, in no order of a tour. */
async function samplePhotos(
  folder: string,
  { say, step, signal }: Pick<Wishes, 'say' | 'step' | 'signal'>,
): Promise<string[]> {
  say('', '  No photographs given: making sample pictures of a house')
  const module = fileURLToPath(new URL(`../sample/main${extname(import.meta.url)}`, import.meta.url))
  const child = fork(module, [folder], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], signal })
  return new Promise((resolve, reject) => {
    child.on('message', (told: { readonly drawing?: Drawing; readonly paths?: readonly string[] }) => {
      const { drawing, paths } = told
      if (drawing) step.say(`Drawing ${drawing.file} (${drawing.number} of ${drawing.of})`)
      if (paths) resolve([...paths])
    })
    child.once('error', reject)
    child.once('exit', (code, end) =>
      reject(new Error(`The sample pictures could not be made (${end ?? `exit code ${code}`})`)),
    )
  })
}

/** What became of pictures for which nobody chose. */
const filmWords = {
  property_photos: '  Named by rooms: shown in the order of a visit (or --type image_pairs)',
  image_pairs: '  Each passes into the next (or --type property_photos: a scene for each)',
} as const

type Wishes = Parameters<typeof filmRequest>[1] &
  CommandContext & {
    readonly yes: boolean
    readonly json: boolean
    readonly isPlay: boolean
    /** Whether real money may have been spent on what is not saved yet. */
    readonly stake: { isPaid: boolean }
    readonly say: (...lines: string[]) => void
    readonly step: Step
  }

async function makeFilm(
  client: Client,
  photos: readonly string[],
  output: Output,
  wishes: Wishes,
): Promise<JobAnswer> {
  const { say, step, signal, terminal, stake, isPlay } = wishes
  const { assets, fileOf } = await uploadPhotos(client, photos, (file, number) =>
    step.say(`Uploading ${file} (${number} of ${photos.length})`),
  )
  step.clear()
  const request = filmRequest(assets, wishes)
  const isChosenHere = wishes.type === undefined && assets.length > 1
  say('', `  ${count(assets.length, 'picture')} uploaded`, ...(isChosenHere ? [filmWords[request.type]] : []))
  const planned = await client.createJob(request)
  const list = terminal.live && planned.estimated_cost === 0 ? 'no list' : 'list'
  say(...planLines(planOfJob(planned), fileOf, terminal.screen(), list))
  const approval = await approveCost(planned, wishes)
  const jobId = planned.job_id
  stake.isPaid = planned.estimated_cost !== 0 && !isPlay
  await client.approveJob(jobId, approval)

  const display = createDisplay(terminal, { fileOf, silent: wishes.json })
  const { job } = await followJob(client, jobId, display, signal)
  if (job.status !== 'completed')
    throw new CommandError(`The film failed: ${job.error?.reason ?? job.status}`)
  await saveFilm(await client.film(jobId), output)
  return job
}

/** What costs nothing needs no question. What is approved is what was shown. */
async function approveCost(job: JobAnswer, wishes: Wishes): Promise<ApprovalRequest> {
  const { yes, say, terminal, isPlay } = wishes
  const cost = job.estimated_cost
  const approval = {
    revision: job.revision,
    ...(cost === null ? { accept_unknown_cost: true } : { max_cost: cost }),
  }
  const begins = (why: string): void => say(terminal.paint('dim', `            ${why}, so it begins at once`))
  if (cost === 0) begins('Nothing to pay')
  else if (isPlay) begins('Play money, billed by a fake Replicate here')
  if (cost === 0 || isPlay || (yes && cost !== null)) return approval
  if (!canAsk(wishes))
    throw new CommandError(
      cost === null
        ? 'The price of a model is not known: only a person at a terminal may approve that'
        : `The film would cost ${spokenCost(cost)}: give --yes to approve that`,
    )
  const sum = cost === null ? 'an unknown sum' : spokenCost(cost)
  if (!(await confirm(`\n  Spend ${sum}?`, wishes)))
    throw new CommandError('Not approved, so nothing was rendered or spent')
  return approval
}

interface Result {
  readonly job: JobAnswer
  readonly output: Output
  /** What the fake billed, where it rendered. */
  readonly bill: Bill | undefined
  readonly tookMs: number
}

function tellResult({ job, output, bill, tookMs }: Result, context: CommandContext, json: boolean): void {
  const { path } = output
  const film = job.film!
  const { spent } = job.costs
  if (json) {
    const { duration, width, height, fps, size } = film
    const facts = { path, duration, width, height, fps, size, took_ms: Math.round(tookMs), cost: spent }
    return printJsonLine(context, { ...facts, ...(bill && { play_money: true, billed: bill.usd }) })
  }
  const { paint } = context.terminal
  const facts = [
    spokenLength(film.duration),
    spokenSize(film.size),
    `${film.width} x ${film.height}`,
    `${film.fps} frames a second`,
  ]
  const sum = `${spent === null ? 'an unknown sum' : spokenCost(spent)}${bill ? ' of play money' : ''}`
  print(
    context,
    '',
    `  ${paint('green', 'Your film')}  ${paint('bold', path)}`,
    `             ${facts.join(', ')}`,
    `             made in ${spokenDuration(tookMs)} for ${sum}`,
    ...(bill && bill.usd === spent ? [`             The fake's own ledger agrees: ${billWords(bill)}`] : []),
    '',
  )
}

const billWords = ({ renders, usd }: Bill): string => `${count(renders, 'render')}, ${spokenCost(usd)} billed`

/** The demonstration is of a bill that is right. */
function checkBill(bill: Bill, { costs: { spent } }: JobAnswer): void {
  if (spent !== null && bill.usd !== spent)
    throw new CommandError(
      `The fake's own ledger says otherwise: ${billWords(bill)}, and ${spokenCost(spent)} counted as spent`,
    )
}
