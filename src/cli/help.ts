/** What --help says, by command. */
const filmHelp = `  --title <text>           shown over the first scene
  --resolution <name>      360p, 480p, 720p (if not given) or 1080p
  --fps <number>           24 (if not given), 25, 30 or 60 frames a second
  --aspect-ratio <w:h>     16:9 (if not given), 9:16, 4:3, 3:4, 1:1 or 21:9
  --clip-duration <s>      seconds of each scene, 5 if not given
  --transition <name>      fade (if not given), slide or cut
  --fit <name>             how a picture of another shape fills the frame:
                           crop (if not given), letterbox or blur
  --type <name>            property_photos: a scene for each picture, in the
                           order of a visit; the room is told by the file's
                           name, such as kitchen.jpg (if not given, for one
                           picture, and where most names tell a room). Or
                           image_pairs: each picture passes into the next (if
                           not given, for others)
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
  --key <key>              what lets you in, where that needs a key; better in
                           the environment, as COORDINATOR_KEY
  --json                   print the server's answer as JSON`

export const help: Readonly<Record<string, string>> = {
  '': `Makes films from photographs.

Usage: coordinator <command> [options]

On this machine, nothing else needed:
  demo [photos...]         make a film of sample pictures, or of your own
  render <photos...>       make a film of your photographs
  serve                    run the server, until it is stopped
  doctor                   look at all it needs, and say what to do

With a server that runs, for a film:
  estimate <photos...>     what a film would cost; nothing is asked for
  submit <photos...>       ask for a film; nothing is rendered before approval
  approve <id...>          let jobs spend their cost
  reject <id>              send a job back to its maker instead
  resubmit <id>            ask for the approval of a rejected job again
  show <id>                what is known of a job, and where its money is
  list                     the jobs, newest first
  watch <id>               show how far a job is, until it ends
  download <id>            fetch a job's film

To change what is under way:
  set <id>                 another priority, name, start or deadline
  scene <verb> <id>        add, change, move or take out scenes of a film
  pause, resume [id...]    start nothing new, and go on: all, or some jobs
  cancel <id...>           end jobs, and tell what stays charged
  retry <id>               go on with a failed or cancelled job
  regenerate <id> <scene>  render a scene again
  resolve <id> <scene>     decide a render that is held
  restore <id> <version>   show an earlier film of a job again
  delete <id...>           delete jobs that have ended; their books stay

To look after it:
  events [id]              what happens, as it happens
  history <id>             what happened to a job, who asked for it and why
  ledger                   every render that cost something, or may
  spend                    what was spent, by client and month
  budgets                  what may be spent, and how much of it is
  limits                   how much may go on at once
  webhooks                 who is told of events
  storage                  what is stored, for how long, and how to remove it
  keys                     who is let in: create, list, rotate, revoke
  secret rotate            sign addresses for providers with a new secret

coordinator <command> --help tells more,
coordinator --version which version it is.
Exit codes: 0 done, 1 failed or refused, 2 usage error, 130 interrupted.`,
  demo: `Makes a film of sample pictures, or of your own photographs, with a server of
its own that is started and stopped along the way.

Usage: coordinator demo [photos...] [options]

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
  ALLOWED_HOSTS            more names it answers to, with commas; .example.com
                           means all below it, too
  REQUIRE_KEYS             true or false; if not given, keys are needed where
                           others reach the server: HOST or ALLOWED_HOSTS is
                           not this machine alone, or PUBLIC_BASE_URL is set
  RATE_LIMIT_PER_MINUTE    requests for each key: 1200 if not given, 0 for no
                           limit
  FFMPEG_PATH              an FFmpeg program, absolute; the FFmpeg that npm
                           installed if not given
  LOCAL_MAX_CONCURRENCY    renders at once; as many as cores if not given
  WEBHOOK_ALLOWED_NETWORKS networks beside the public internet to which webhooks
                           may be sent, such as 10.0.0.0/8, with commas
  MIN_FREE_DISK_MB         kept on its disk for clips that are paid for: with
                           less room it takes no uploads and no jobs, starts no
                           renders and is not ready; 512 if not given
  DRAIN_MS                 how long it goes on answering, and says it is not
                           ready, when it is stopped: 0 if not given
  RETAIN_FILMS_DAYS, RETAIN_CLIPS_DAYS, RETAIN_INPUTS_DAYS
                           how long films, clips and photographs are kept when
                           their job has ended: for ever if not given
  RETAIN_EVENTS_DAYS       how long events are kept: 90 if not given
  MAX_STORED_GB            the oldest go when more is stored; no limit if not
                           given
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
  SHORT_CLIPS              a paid clip that is much shorter than was paid for:
                           hold (if not given) for a person, or take
  BUDGET_JOB_USD, BUDGET_CLIENT_USD, BUDGET_DAY_USD, BUDGET_TOTAL_USD
                           what may be spent for each job, for each client, in
                           a day and in all; no limit if not given`,
  estimate: `Tells what a film would cost and how it would be planned. The photographs are
uploaded; nothing is asked for, and nothing rendered.

Usage: coordinator estimate <photos...> [options]
       coordinator estimate --file <request.json> [options]

  --file <file>            a whole request as JSON instead; - reads stdin
${filmHelp}
${remoteHelp}`,
  submit: `Asks a running server for a film. It is planned and its cost told; nothing is
rendered before it is approved.

Usage: coordinator submit <photos...> [options]
       coordinator submit --file <request.json> [options]

  --file <file>            a whole request as JSON instead; - reads stdin
  --name <text>            what the film is called
  --priority <number>      0 to 100, higher first; 50 if not given
  --depends-on <ids>       jobs to be completed before it begins, with commas;
                           12:wait waits for one that fails until it is retried,
                           12:ignore goes on without it
  --run-at <time>          not begun before, such as 2027-01-15T18:00:00Z
  --deadline <time>        if it has not ended by then it fails
  --client <id>            for whom: its budget counts, and clients take turns
  --webhook-url <address>  is told of what happens to the job
  --max-tries <number>     renders of a scene in all: 3 if not given
${filmHelp}
${remoteHelp}`,
  approve: `Lets pending jobs spend their estimated cost; also what a scene that was
changed costs more. Exit code 1 if any is refused.

Usage: coordinator approve <id...> [options]

  --max-cost <usd>         what each may spend in all; refused where it costs
                           more; the cost as it is if not given
  --revision <number>      of a job that was changed: which storyboard it is for
  --accept-unknown-cost    also where the price of a model is not known
${remoteHelp}`,
  reject: `Sends a job that waits for an approval back to its maker. It is not approved
before it is submitted again; what was approved before goes on.

Usage: coordinator reject <id> --note <text> [options]

  --note <text>            what its maker has to change
${remoteHelp}`,
  resubmit: `Asks for the approval of a rejected job again, changed or not.

Usage: coordinator resubmit <id> [options]

  --reason <text>          what was changed, for the job's history
${remoteHelp}`,
  show: `Tells what is known of a job and its scenes: how far they are, why they wait,
when it will be done, what was estimated, approved, reserved and spent. Times
are in UTC.

Usage: coordinator show <id> [options]

${remoteHelp}`,
  list: `Lists jobs, newest first.

Usage: coordinator list [options]

  --status <names>         pending, approved, processing, completed, failed or
                           cancelled; several with commas
  --type <name>            image_pairs or property_photos
  --client <id>            only those of a client
  --since <time>           asked for then or later, such as 2026-11-25T00:00:00Z
  --until <time>           asked for before
  --text <text>            a part of the film's name
  --needs-approval         only those that wait for an approval: also finished
                           films whose change costs more than was approved
  --limit <number>         how many, 20 if not given, 200 at most
  --all                    all of them
${remoteHelp}`,
  watch: `Shows how far a job is, until it ends. Exit code 1 if it fails.

Usage: coordinator watch <id> [options]

${remoteHelp}`,
  download: `Fetches a job's film.

Usage: coordinator download <id> [options]

  --out <file>             where the film goes; without it the first free name
                           of film.mp4, film-2.mp4, ...
  --force                  replace the file at --out
${remoteHelp}`,
  set: `Changes a job: its name, and before it has ended everything else.

Usage: coordinator set <id> [options]

  --priority <number>      0 to 100, higher first
  --name <text>            what the film is called
  --run-at <time>          not begun before, such as 2027-01-15T18:00:00Z, or
                           none
  --deadline <time>        if it has not ended by then it fails, or none
${remoteHelp}`,
  pause: `Starts nothing new: for some jobs, at a renderer, or for all where none is
named. What runs, ends.

Usage: coordinator pause [id...] [options]

  --renderer <name>        only this one, such as replicate
  --reason <text>          why, for those who wonder
${remoteHelp}`,
  resume: `Goes on after a pause of some jobs, of a renderer, or of all.

Usage: coordinator resume [id...] [options]

  --renderer <name>        only this one
${remoteHelp}`,
  cancel: `Ends jobs: what runs for them is stopped, here and at providers. Tells what
stays charged. Exit code 1 if any is refused.

Usage: coordinator cancel <id...> [options]

  --reason <text>          why, for the job's history
${remoteHelp}`,
  retry: `Goes on with a failed or cancelled job: finished clips are kept, the other
scenes are rendered again. Where that costs more than was approved, it asks; a
script says it with --max-cost.

Usage: coordinator retry <id> [options]

  --max-cost <usd>         what the job may spend in all, what it has spent
                           included
  --revision <number>      of a job that was changed: which storyboard it is for
  --accept-unknown-cost    also where the price of a model is not known
  --deadline <time>        another deadline, or none
  --reason <text>          why, for the job's history
${remoteHelp}`,
  regenerate: `Renders a completed or failed scene again. What that costs beyond what was
approved has to be approved first.

Usage: coordinator regenerate <id> <scene> [options]

  <scene>                  its number, as show tells it, or its id
${remoteHelp}`,
  scene: `Changes what a film consists of, before and after it is made. What that costs
beyond what was approved has to be approved first.

Usage: coordinator scene add <id> <photo> [last photo] [options]
       coordinator scene change <id> <scene> [options]
       coordinator scene move <id> <scene> <number>
       coordinator scene delete <id> <scene>

  <scene>                  its number, as show tells it, or its id
  --at <number>            its number in the film; a new one is the last if not
                           given
  --title <text>           shown over it
  --prompt <text>          what a paid model is told
  --duration <s>           seconds; of a new one as its job's are
  --transition <name>      how it passes into the next: fade, slide or cut
  --model <name>           who renders it
  --audio                  let a paid model make sound too
${remoteHelp}`,
  restore: `Shows an earlier film of a job again: it becomes the newest version, and nothing
is rendered.

Usage: coordinator restore <id> <version> [options]

${remoteHelp}`,
  delete: `Deletes jobs that have ended, with their scenes and films. What they have cost
stays in the ledger and the sums, and what happened to them in the log, which
events tells. Exit code 1 if any is refused.

Usage: coordinator delete <id...> [options]

${remoteHelp}`,
  resolve: `Decides a render of which nobody knows whether the provider accepted it. The
ledger of held ones, with --json, tells what it may be at the provider. A wrong
--absent is paid twice.

Usage: coordinator resolve <id> <scene> [options]

  <scene>                  its number, as show tells it, or its id
  --adopt <prediction>     it is this one at the provider, at its cost
  --absent                 the provider never accepted it
${remoteHelp}`,
  events: `Tells what happened to a job, or to all, a line for each event.

Usage: coordinator events [id] [options]

  --follow                 go on as it happens: of a job from its beginning to
                           its end, of all from now on until Ctrl-C; back by
                           itself when the connection is lost
  --after <number>         only those after this event
  --types <names>          only these, with commas, such as job_completed
${remoteHelp}

With --json each line is an event.`,
  history: `Tells what happened to a job, who asked for it and why. Times are in UTC.

Usage: coordinator history <id> [options]

${remoteHelp}`,
  ledger: `Lists every render that cost something, or may, newest first; and what they cost
in all.

Usage: coordinator ledger [options]

  --job <id>               only those of a job
  --client <id>            only those of a client
  --status <name>          only those of this status, such as held
  --from <time>            begun then or later, such as 2026-11-25T00:00:00Z
  --to <time>              begun before
  --limit <number>         how many, 20 if not given
${remoteHelp}`,
  spend: `Tells what was spent, by client and month; renders count for the month (UTC)
in which they were begun.

Usage: coordinator spend [options]

  --group <names>          client, month or client,month (if not given)
  --client <id>            only that of a client
  --from <month>           from this month on, such as 2026-11
  --to <month>             up to this month
  --csv                    print CSV; texts that a spreadsheet would calculate
                           have an apostrophe before them
${remoteHelp}`,
  budgets: `Shows what may be spent, and how much of it is; or changes that.

Usage: coordinator budgets [--set <name>=<usd>]... [options]

  --set <name>=<usd>       US dollars, or none. The name is job (for each job),
                           client (for each client), client:<client_id>, day
                           (UTC) or total. The others stay
${remoteHelp}`,
  limits: `Shows how much may go on at once, how much does, and what is paused; or changes
that while the server runs. Beside a limit that was changed, the configured one
is told in parentheses.

Usage: coordinator limits [options]

  --jobs <number>          jobs that are worked on at once, or none for no limit
  --renderer <name>        whose limits these are:
  --max-concurrency <n>    renders at once, or none for what is configured
  --start-delay <ms>       the least time between two starts, or none
  --starts-per-minute <n>  renders begun within a minute, or none
${remoteHelp}`,
  webhooks: `Says who is told of events, and what became of it. Endpoints are told of all
jobs; the webhook_url of a job of that job alone.

Usage: coordinator webhooks list [--job <id>] [options]
       coordinator webhooks create <address> [--types <names>] [options]
       coordinator webhooks show | enable | disable | delete <endpoint>
       coordinator webhooks test <endpoint>
       coordinator webhooks deliveries <endpoint> [--status <name>] [options]
       coordinator webhooks redeliver <delivery>
       coordinator webhooks secret | rotate [endpoint]

  --types <names>          only these, with commas: types such as job_completed,
                           or families such as jobs:*; all if not given
  --description <text>     what a new endpoint is for
  --job <id>               the endpoint that is a job's webhook_url
  --status <name>          pending, sending, delivered or failed
  --limit <number>         how many, 20 if not given
${remoteHelp}

test and redeliver wait for the answer; exit code 1 if it is not taken. secret
and rotate without an endpoint are about what the webhook_url of jobs is sent.`,
  storage: `Tells what is stored, for how long, and how much room is left; or removes now
what may be removed, which happens by itself within the hour.

Usage: coordinator storage [options]
       coordinator storage prune [--dry-run] [options]

  --dry-run                only say what would be removed
${remoteHelp}`,
  doctor: `Looks at all a server needs here, in the environment that serve would have, and
says what to do: Node, the variables, FFmpeg, disk, who may read the data,
database, keys, Replicate's token, clock, public address. Nothing is changed,
and nothing costs money. Exit code 1 if something does not work.

Usage: coordinator doctor [options]

  --json                   print what was found as a JSON object`,
  keys: `Says who is let in, and to what. Without --url it works on the data folder of a
server that does not run (DATA_DIR, ./data if not given): so is the first key
made. A key is shown once.

Usage: coordinator keys create --name <name> --scopes <scopes> [options]
       coordinator keys list [options]
       coordinator keys rotate <name> [--grace <hours>] [options]
       coordinator keys revoke <name> [options]

  --name <name>            what it is called; events tell by it who did what
  --scopes <scopes>        with commas: read, submit, approve, or admin, which
                           is everything
  --client <id>            bind it to a client: it sees and makes the jobs of
                           that client alone; not with admin
  --expires <time>         when it ends by itself, such as 2027-01-31T00:00:00Z
  --grace <hours>          how long the key before is taken too when it is
                           rotated: 24 if not given, 0 for no longer
  --url <address>          a server that runs
  --key <key>              an admin's key there; better in the environment, as
                           COORDINATOR_KEY
  --json                   print the answer as JSON`,
  secret: `Replaces the secret with which the server signs the addresses that a provider
gets: of pictures, and for webhooks. Without --url it works on the data folder
of a server that does not run (DATA_DIR, ./data by default).

Usage: coordinator secret rotate [--grace <hours>] [options]

  --grace <hours>          how long addresses that were given away before stay
                           valid: 24 by default, which is as long as they would
                           be; 0 ends them now, and renders that have not yet
                           fetched their pictures fail
  --url <address>          a server that runs
  --key <key>              an admin's key there; better in the environment, as
                           COORDINATOR_KEY
  --json                   print the answer as JSON`,
}
