/** What --help says, by command. */
const filmHelp = `  --title <text>           shown over the first scene
  --resolution <name>      360p, 480p, 720p (if not given) or 1080p
  --fps <number>           24 (if not given), 25, 30 or 60 frames a second
  --aspect-ratio <w:h>     16:9 (if not given), 9:16, 4:3, 3:4, 1:1 or 21:9
  --clip-duration <s>      seconds of each scene, 5 if not given
  --transition <name>      fade (if not given), slide or cut
  --fit <name>             how a picture of another shape fills the frame:
                           crop (if not given), letterbox or blur
  --type <name>            image_pairs: each picture passes into the next (two
                           and more pictures, if not given), or property_photos:
                           a scene for each picture, in the order of a visit;
                           the room is told by the file's name
  --model <name>           who renders: local, this machine (if not given), or a
                           paid model such as google/veo-3.1-fast, for which the
                           server needs REPLICATE_API_TOKEN
  --audio                  let a paid model make sound too`

const ownHelp = `  --out <file>             where the film goes; without it the first free name
                           of film.mp4, film-2.mp4, ...
  --force                  replace the file at --out
  --yes                    approve the cost without asking, where it is known
  --keep                   keep the server's data folder, and say where it is
  --json                   print only a JSON object about the film`

const remoteHelp = `  --url <address>          the server, http://127.0.0.1:4000 if not given
  --json                   print the server's answer as JSON`

export const help: Readonly<Record<string, string>> = {
  '': `Makes films from photographs.

Usage: coordinator <command> [options]

On this machine, nothing else needed:
  demo [photos...]         make a film of sample pictures, or of your own
  render <photos...>       make a film of your photographs
  serve                    run the server, until it is stopped

With a server that runs:
  estimate <photos...>     what a film would cost; nothing is asked for
  submit <photos...>       ask for a film; nothing is rendered before approval
  approve <id>             let a job spend its cost
  show <id>                what is known of a job, and where its money is
  list                     the jobs, newest first
  watch <id>               show how far a job is, until it ends
  cancel <id>              end a job, and tell what stays charged
  regenerate <id> <scene>  render a scene again
  download <id>            fetch a job's film
  ledger                   every render that cost something, or may
  budgets                  what may be spent, and how much of it is

coordinator <command> --help tells more.
Exit codes: 0 done, 1 failed, 2 asked for wrongly, 130 interrupted.`,
  demo: `Makes a film of sample pictures, or of your own photographs, with a server of
its own that is started and stopped along the way.

Usage: coordinator demo [photos...] [options]
       npm run demo -- [photos...] [options]

  --replicate-fake         show the paid way with play money: a fake Replicate
                           on this machine renders and bills. The model is
                           google/veo-3.1-fast if not given
${ownHelp}
${filmHelp}`,
  render: `Makes a film of your photographs, with a server of its own that is started and
stopped along the way.

Usage: coordinator render <photos...> [options]

${ownHelp}
${filmHelp}`,
  serve: `Runs the server until SIGTERM or Ctrl-C.

Usage: coordinator serve

Environment:
  PORT, HOST               where it listens: 4000, 127.0.0.1 if not given
  DATA_DIR                 its database and files: ./data if not given
  FFMPEG_PATH              an FFmpeg program, absolute; the FFmpeg that npm
                           installed if not given
  LOCAL_MAX_CONCURRENCY    renders at once; as many as cores if not given
  SHUTDOWN_GRACE_MS        how long running work may take to end when it is
                           stopped: 5000 if not given
  LOG_LEVEL                debug, info (if not given), warn, error or silent

To render at Replicate, which costs money:
  REPLICATE_API_TOKEN      without it everything is rendered on this machine
  PUBLIC_BASE_URL          where Replicate reaches this server; if not given,
                           pictures are uploaded, and news asked for
  REPLICATE_MAX_CONCURRENCY
                           renders there at once: 4 if not given
  REPLICATE_START_DELAY_MS
                           the least time between two starts: 1000 if not given
  REPLICATE_WEBHOOK_SECRETS
                           beside those that Replicate tells, with commas
  REPLICATE_BASE_URL       https://api.replicate.com if not given
  MODELS_FILE              models and prices beside those that are built in
  BUDGET_JOB_USD, BUDGET_CLIENT_USD, BUDGET_DAY_USD, BUDGET_TOTAL_USD
                           what may be spent for each job, for each client, in
                           a day and in all; no limit if not given`,
  estimate: `Tells what a film would cost and how it would be planned. The photographs are
uploaded; nothing is asked for, and nothing rendered.

Usage: coordinator estimate <photos...> [options]
       coordinator estimate --file <request.json> [options]

${remoteHelp}
  --file <file>            a whole request as JSON instead; - reads stdin
${filmHelp}`,
  submit: `Asks a running server for a film. It is planned and its cost told; nothing is
rendered before it is approved.

Usage: coordinator submit <photos...> [options]
       coordinator submit --file <request.json> [options]

${remoteHelp}
  --file <file>            a whole request as JSON instead; - reads stdin
  --name <text>            what the film is called
${filmHelp}`,
  approve: `Lets a pending job spend its estimated cost; also what a scene that was changed
costs more.

Usage: coordinator approve <id> [options]

${remoteHelp}
  --max-cost <usd>         what the job may spend in all; refused where it costs
                           more
  --accept-unknown-cost    also where the price of a model is not known`,
  show: `Tells what is known of a job and its scenes: how far they are, why they wait,
what was estimated, approved, reserved and spent.

Usage: coordinator show <id> [options]

${remoteHelp}`,
  list: `Lists jobs, newest first.

Usage: coordinator list [options]

${remoteHelp}
  --status <name>          pending, approved, processing, completed, failed or
                           cancelled
  --type <name>            image_pairs or property_photos
  --limit <number>         how many, 20 if not given`,
  watch: `Shows how far a job is, until it ends. Exit code 1 if it fails.

Usage: coordinator watch <id> [options]

${remoteHelp}`,
  cancel: `Ends a job: what runs for it is stopped, here and at providers. Tells what stays
charged.

Usage: coordinator cancel <id> [options]

${remoteHelp}`,
  regenerate: `Renders a completed or failed scene again. What that costs beyond what was
approved has to be approved first.

Usage: coordinator regenerate <id> <scene> [options]

  <scene>                  its number, as show tells it, or its id
${remoteHelp}`,
  download: `Fetches a job's film.

Usage: coordinator download <id> [options]

${remoteHelp}
  --out <file>             where the film goes; without it the first free name
                           of film.mp4, film-2.mp4, ...
  --force                  replace the file at --out`,
  ledger: `Lists every render that cost something, or may, newest first; and what they cost
in all.

Usage: coordinator ledger [options]

${remoteHelp}
  --job <id>               only those of a job
  --client <id>            only those of a client
  --from <time>            begun then or later, such as 2026-11-25T00:00:00Z
  --to <time>              begun before
  --limit <number>         how many, 20 if not given`,
  budgets: `Shows what may be spent, and how much of it is; or changes that.

Usage: coordinator budgets [--set <name>=<usd>]... [options]

  --set <name>=<usd>       US dollars, or none. The name is job (for each job),
                           client (for each client), client:<client_id>, day
                           (UTC) or total. The others stay
${remoteHelp}`,
}
