/** The rules of ARCHITECTURE.md, kept by a test and not by memory. */
import { globSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  attemptFollows,
  attemptStatuses,
  jobStatuses,
  jobVerbs,
  sceneFollows,
  sceneStatuses,
} from '../src/job/lifecycle.ts'
import { migrations } from '../src/store/migrations/all.ts'

const architecture = readFileSync('ARCHITECTURE.md', 'utf8')

/** What each room imports, besides itself and what is open to all, by ARCHITECTURE.md's table. */
const mayImport: ReadonlyMap<string, readonly string[]> = new Map(
  [...architecture.matchAll(/^\| `([\w-]+)\/` *\|[^|]*\| ([^|]+?) *\|$/gm)].map(([, room, list]) => [
    room!,
    list === 'nothing' ? [] : list!.split(', '),
  ]),
)
const openToAll = new Set([
  'bind.ts',
  'host.ts',
  'loop.ts',
  'log.ts',
  'disk-full.ts',
  'json-reader.ts',
  'network-words.ts',
  'owner-only.ts',
  'package-version.ts',
  'printable.ts',
])
/** What other rooms see of a room: its doors. Of the others all files are open. Adapters are picked in wire.ts. */
const doors: Readonly<Record<string, readonly string[]>> = {
  engine: ['engine.ts'],
  artifact: ['artifact.ts'],
  renderer: ['renderer.ts', 'provider.ts'],
  outbound: ['outbound.ts'],
  access: ['keys.ts', 'idempotency.ts'],
  webhooks: ['endpoints.ts', 'deliveries.ts'],
  nodes: ['nodes.ts'],
  retention: ['retention.ts', 'prune.ts'],
  events: ['emit.ts', 'feed.ts', 'pubsub.ts', 'signal.ts', 'shared.ts'],
  media: [
    'media.ts',
    'ffmpeg.ts',
    'encoding.ts',
    'film-format.ts',
    'image.ts',
    'pool.ts',
    'probe.ts',
    'scene-graph.ts',
  ],
  // What others call is bound in coordinator.ts; of the rest they see types and words.
  coordinator: [
    'coordinator.ts',
    'admission/budgets.ts',
    'admission/limits.ts',
    'admission/rules.ts',
    'attempt/installation.ts',
    'read/attention.ts',
    'read/eta.ts',
    'read/films.ts',
    'read/history.ts',
    'read/job-view.ts',
    'read/lists.ts',
    'read/queue.ts',
    'read/statistics.ts',
    'scene/edited.ts',
    'scene/scene-verbs.ts',
  ],
  telemetry: ['metrics.ts', 'readiness.ts', 'tracing.ts'],
}
/** Where a program begins: it puts the parts together. */
const beginnings = new Set([
  'wire.ts',
  'move.ts',
  'cli.ts',
  'main.ts',
  'index.ts',
  ...globSync('wire/*.ts', { cwd: 'src' }),
])

interface Import {
  readonly from: string
  readonly to: string
}

const sources = globSync('src/**/*.ts').map((path) => path.replaceAll('\\', '/').slice('src/'.length))

const imports: readonly Import[] = sources.flatMap((from) => {
  const text = readFileSync(`src/${from}`, 'utf8')
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(([, to]) => ({
    from,
    to: new URL(to!, `file:///${from}`).pathname.slice(1),
  }))
})

const naming = (pattern: RegExp): string[] =>
  sources.filter((path) => pattern.test(readFileSync(`src/${path}`, 'utf8')))

const roomOf = (path: string): string | undefined => (path.includes('/') ? path.split('/')[0] : undefined)

describe('the architecture', () => {
  it('has a row for each room', () => {
    expect([...mayImport.keys()].toSorted()).toEqual(
      [...new Set(sources.map(roomOf).filter((room) => room !== undefined))].toSorted(),
    )
  })

  it('lets each room import only what stands below it', () => {
    const broken = imports.filter(({ from, to }) => {
      const room = roomOf(from)
      if (room === undefined || room === 'cli' || room === 'wire' || room === roomOf(to)) return false
      if (openToAll.has(to)) return room === 'job'
      return !mayImport.get(room)?.includes(roomOf(to) ?? '')
    })
    expect(broken).toEqual([])
  })

  it('lets arrows in http go down: description, routes, access, edge', () => {
    const floors = ['edge', 'access', 'routes', 'openapi', 'app.ts']
    const floorOf = (path: string): number => floors.indexOf(path.split('/')[1]!)
    const inside = imports.filter(({ from, to }) => roomOf(from) === 'http' && roomOf(to) === 'http')
    expect(inside.filter(({ from }) => floorOf(from) < 0)).toEqual([])
    expect(inside.filter(({ from, to }) => floorOf(from) < floorOf(to))).toEqual([])
  })

  it('lets the page import only the client: it is one like any other', () => {
    const files = globSync('page/src/**/*.{ts,tsx}')
    const found = files.flatMap((path) =>
      [...readFileSync(path, 'utf8').matchAll(/from '([./]*\/src\/[^']+)'/g)].map(
        ([, to]) => to!.split('/src/')[1],
      ),
    )
    expect(files.length).toBeGreaterThan(50)
    expect([...new Set(found)]).toEqual(['client/client.ts'])
  })

  it('lets no room look into the inside of another', () => {
    const broken = imports.filter(({ from, to }) => {
      const room = roomOf(to)
      const open = room && doors[room]
      if (!open || room === roomOf(from) || beginnings.has(from)) return false
      return !open.includes(to.slice(room.length + 1))
    })
    expect(broken).toEqual([])
  })

  it('loads no decoder and no parser of media into the server', () => {
    const loaded = new Set<string>()
    const load = (path: string): void => {
      if (loaded.has(path)) return
      loaded.add(path)
      const text = readFileSync(`src/${path}`, 'utf8')
      // A dynamic import runs in a media process, or in a command.
      for (const [, to] of text.matchAll(/^(?:import|export) (?!type )[^;]*?from '([^']+)'/gms)) {
        if (to!.startsWith('.')) load(new URL(to!, `file:///${path}`).pathname.slice(1))
        else loaded.add(to!)
      }
    }
    load('main.ts')
    expect(loaded).toContain('media/pool.ts')
    expect([...loaded].filter((name) => /^(?:sharp|mediabunny|node-av)/.test(name))).toEqual([])
  })

  it('gives clients nothing of the server but types', () => {
    const taken = sources
      .filter((path) => path.startsWith('client/'))
      .flatMap((path) => [
        ...readFileSync(`src/${path}`, 'utf8').matchAll(
          /^(?:import|export) (?!type )[^;]*? from '([^']+)'/gms,
        ),
      ])
      .map(([, from]) => from)
    expect(taken.filter((from) => !from!.startsWith('./'))).toEqual([])
  })

  it('reads the environment where a program begins, and nowhere else', () => {
    // FontConfig is told its file by its own process's environment.
    const others = new Set(['config.ts', 'media/title.ts'])
    expect(new Set(naming(/process\.env\b/).filter((path) => !others.has(path)))).toEqual(
      new Set(['cli.ts', 'fake-replicate/main.ts', 'main.ts']),
    )
  })

  it('asks the platform for the time, for waiting and for chance in host.ts alone', () => {
    // Programs of their own: the command, the client in a browser, processes of media, and the end of a program.
    const own = /^(?:cli|client|media|conformance)\/|^(?:stop|cli)\.ts$/
    const platform =
      /(?<!\.)\b(?:setTimeout|setInterval)\(|\b(?:Date\.now|performance\.now|Math\.random|randomUUID)\(|new Date\(\)/
    expect(naming(platform).filter((path) => !own.test(path))).toEqual(['host.ts'])
  })

  it('imports SQLite in sqlite-connection.ts alone', () => {
    expect(naming(/from 'node:sqlite'/)).toEqual(['store/sqlite-connection.ts'])
  })
})

/** The verbs alone say how a job moves. */
const jobFollows = Object.fromEntries(
  jobStatuses.map((status) => [
    status,
    [
      ...new Set(
        Object.values(jobVerbs)
          .filter(({ from }) => (from as readonly string[]).includes(status))
          .map(({ to }) => to),
      ),
    ],
  ]),
)

describe('the states', () => {
  const ddl = migrations
    .flatMap(({ statements }) => statements)
    .toReversed()
    .join('\n')
  const checked = (table: string): string[] => {
    const [, list] = new RegExp(`create table ${table}(?:_new)? [^;]*?status in \\(([^)]*)\\)`, 's').exec(
      ddl,
    )!
    return [...list!.matchAll(/'(\w+)'/g)].map(([, status]) => status!)
  }
  const rowsOf = (noun: string): Record<string, string[]> => {
    const [, table] = new RegExp(`\\| ${noun} is +\\| may become +\\|\\n\\|[- |]+\\|\\n((?:\\|.*\\n)+)`).exec(
      architecture,
    )!
    return Object.fromEntries(
      table!
        .trim()
        .split('\n')
        .map((row) => row.split('|').slice(1, 3))
        .map(([from, to]) => [
          from!.trim(),
          to!
            .split(',')
            .map((name) => name.trim())
            .filter((name) => name !== 'nothing'),
        ]),
    )
  }

  it.each([
    ['job', 'jobs', jobStatuses, jobFollows],
    ['scene', 'scenes', sceneStatuses, sceneFollows],
    ['attempt', 'attempts', attemptStatuses, attemptFollows],
  ] as const)(
    'of a %s are the same in the code, the database and ARCHITECTURE.md',
    (noun, table, statuses, follows) => {
      expect(checked(table)).toEqual([...statuses])
      expect(rowsOf(noun)).toEqual(follows)
    },
  )
})
