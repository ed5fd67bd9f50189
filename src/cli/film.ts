/**
 * The commands `demo` and `render`: make a film of photographs with a real server, which stops with the
 * command.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commandLine } from '../command-name.ts'
import type { JobAnswer } from '../http/routes/jobs.ts'
import type { ApprovalRequest } from '../job/control-request.ts'
import { printable } from '../printable.ts'
import { type Client, connect } from './client.ts'
import { CommandError } from './command-error.ts'
import { type Command, type CommandContext, command } from './command.ts'
import { type ValuesOf, argument, flag, several } from './option.ts'
import { type Output, chooseOutput, saveFilm } from './output.ts'
import { type Bill, type OwnReplicate, startOwnReplicate } from './own-replicate.ts'
import { type OwnServer, startOwnServer } from './own-server.ts'
import { canAsk, confirm, print, printJsonLine } from './print.ts'
import { type Step, createDisplay, createStep, followJob } from './progress.ts'
import { checkReadable, filmRequest, uploadPhotos } from './request.ts'
import { samplePhotos } from './sample.ts'
import { filmOptions, outputOptions, photos } from './shared-options.ts'
import { planLines, planOfJob } from './view.ts'
import { count, spokenCost, spokenDuration, spokenLength, spokenSize } from './words.ts'

const options = {
  ...outputOptions,
  yes: flag('approve the cost without asking, if it is known'),
  keep: flag("keep the server's data folder, and print its path"),
  json: flag('print only a JSON object about the film'),
  ...filmOptions,
} as const

/** The fake's default model: good quality, and a price that is easy to remember. */
const playModel = 'google/veo-3.1-fast'

export const demo: Command = command(
  {
    summary: 'make a film of sample pictures, or of yours',
    about: 'A server starts for it, and stops after it.',
    args: { photos },
    options: {
      replicateFake: flag(
        `render with play money: a fake Replicate on this machine renders and bills (the default model is then ${playModel})`,
      ),
      ...options,
    },
  },
  async (context, { replicateFake, ...values }) => renderFilm(context, values, { isPlay: replicateFake }),
)

export const render: Command = command(
  {
    summary: 'make a film of your photographs',
    about: 'A server starts for it, and stops after it.',
    args: { photos: several(argument(''), 'at least one photograph') },
    options,
    examples: {
      'render *.jpg --title "12 Elm Street" --out tour.mp4': 'A tour of the rooms, named in the file names.',
    },
  },
  async (context, values) => renderFilm(context, values, { isPlay: false }),
)

type Values = ValuesOf<typeof options> & { readonly photos: readonly string[] }

async function renderFilm(
  context: CommandContext,
  values: Values,
  { isPlay }: { readonly isPlay: boolean },
): Promise<void> {
  const { env, signal } = context
  await checkReadable(values.photos)
  const output = await chooseOutput(values)

  const begun = performance.now()
  const folder = await mkdtemp(join(tmpdir(), 'coordinator-demo-'))
  const stake = { isPaid: false }
  let server: OwnServer | undefined
  let replicate: OwnReplicate | undefined
  try {
    const say = (...lines: string[]): void => void (values.json || print(context, ...lines))
    using step = createStep(context.terminal, { silent: values.json })
    if (isPlay) replicate = await startOwnReplicate(folder, env)
    const pictures = values.photos.length > 0 ? values.photos : samplePhotos
    if (pictures === samplePhotos)
      say('', `  No photographs given: using ${count(pictures.length, 'sample picture')} of a house`)
    server = await startOwnServer(folder, { ...env, ...replicate?.serverEnv }, { isReached: isPlay })
    const client = connect(server.url, signal)
    const model = values.model ?? (isPlay ? playModel : undefined)
    const wishes = { ...values, model, isPlay, stake, say, step, ...context }
    const making = makeFilm(client, pictures, output, wishes)
    const job = await Promise.race([making, server.died, ...(replicate ? [replicate.died] : [])])
    stake.isPaid = false
    const bill = await replicate?.bill()
    printResult({ job, output, bill, tookMs: performance.now() - begun }, context, values)
    if (values.keep) say(`  Data kept in ${folder}`, '')
    if (bill) checkBill(bill, job)
  } catch (error) {
    throw server ? await server.explain(error) : error
  } finally {
    await server?.stop()
    await replicate?.stop()
    if (stake.isPaid) warnOfKept(folder)
    else if (!values.keep) await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Clips that were paid for are kept, however the command ends. */
const warnOfKept = (folder: string): void =>
  void process.stderr.write(
    `\nPaid clips are kept, at Replicate for an hour. To continue:\n` +
      `${printable(`  DATA_DIR=${folder} ${commandLine('serve')}`)}\n`,
  )

/** How the pictures are shown, where `--type` is not given. */
const filmWords = {
  property_photos: '  Named by rooms: shown in the order of a visit (or --type image_pairs)',
  image_pairs: '  Each passes into the next (or --type property_photos: a scene for each)',
} as const

type Wishes = Values &
  CommandContext & {
    readonly isPlay: boolean
    /** Whether real money may have been spent on clips that are not saved yet. */
    readonly stake: { isPaid: boolean }
    readonly say: (...lines: string[]) => void
    readonly step: Step
  }

async function makeFilm(
  client: Client,
  pictures: readonly string[],
  output: Output,
  wishes: Wishes,
): Promise<JobAnswer> {
  const { say, step, signal, terminal, stake, isPlay } = wishes
  const { assets, fileOf } = await uploadPhotos(client, pictures, (file, number) =>
    step.say(`Uploading ${file} (${number} of ${pictures.length})`),
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

/** A free film needs no confirmation. The approval covers the revision and the cost that were shown. */
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
        ? 'The price of a model is unknown: only a person at a terminal may approve that'
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
  /** What the fake Replicate billed; undefined without it. */
  readonly bill: Bill | undefined
  readonly tookMs: number
}

function printResult({ job, output, bill, tookMs }: Result, context: CommandContext, { json }: Values): void {
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

/** The demo also proves that the bill is right. */
function checkBill(bill: Bill, { costs: { spent } }: JobAnswer): void {
  if (spent !== null && bill.usd !== spent)
    throw new CommandError(
      `The fake's ledger differs: ${billWords(bill)}, and ${spokenCost(spent)} counted as spent`,
    )
}
