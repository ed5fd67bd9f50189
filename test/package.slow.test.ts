/** The package as npm would install it: built JavaScript, types, the command; without our sources beside it. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { picture } from './server/process.ts'

const repository = resolve(import.meta.dirname, '..')
let app: string
let installed: string

const run = (file: string, args: readonly string[]): string =>
  execFileSync(file, args, { cwd: app, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

beforeAll(() => {
  app = mkdtempSync(join(tmpdir(), 'package-'))
  installed = join(app, 'node_modules', 'workflow-coordinator')
  mkdirSync(installed, { recursive: true })
  const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', app], {
    cwd: repository,
    encoding: 'utf8',
  })
  run('tar', ['-xzf', join(app, packed.trim().split('\n').at(-1)!), '-C', installed, '--strip-components=1'])
  // What npm would fetch beside it is here already.
  symlinkSync(join(repository, 'node_modules'), join(installed, 'node_modules'))
  writeFileSync(join(app, 'package.json'), JSON.stringify({ type: 'module' }))
}, 300_000)
afterAll(() => rmSync(app, { recursive: true, force: true }))

it('gives the command, which makes a film', async () => {
  writeFileSync(join(app, 'a.jpg'), await picture(10))
  writeFileSync(join(app, 'b.jpg'), await picture(200))
  const { bin } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
  const command = join(installed, bin.coordinator)
  expect(readFileSync(command, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
  const options = ['--out', 'film.mp4', '--resolution', '360p', '--clip-duration', '1']
  const said = run(process.execPath, [command, 'render', 'a.jpg', 'b.jpg', ...options])
  expect(said).toContain('film.mp4')
  expect(readFileSync(join(app, 'film.mp4')).subarray(4, 8).toString()).toBe('ftyp')
})

it('brings the sample pictures, of which the demo makes its film', () => {
  const small = ['--out', 'demo.mp4', '--resolution', '360p', '--clip-duration', '1', '--fps', '24']
  const said = run(process.execPath, [join(installed, 'dist', 'cli.js'), 'demo', ...small])
  expect(said).toContain('6 pictures uploaded')
  expect(readFileSync(join(app, 'demo.mp4')).subarray(4, 8).toString()).toBe('ftyp')
})

it('gives the library, with its types', () => {
  writeFileSync(
    join(app, 'embed.ts'),
    `import { createLog, openWorkflow, readConfig, RefusedError, type JobEvent, type Renderer } from 'workflow-coordinator'
import { rendererCases } from 'workflow-coordinator/conformance'

const workflow = await openWorkflow(readConfig({ DATA_DIR: 'data' }), { log: createLog({ level: 'silent' }) })
const { coordinator, pubsub } = workflow
const heard: JobEvent[] = []
pubsub.subscribe('jobs:created', (event) => heard.push(event))
const refusal: string = await coordinator.approveJob(1).then(
  () => 'approved',
  (error: unknown) => (error instanceof RefusedError ? error.refusal.code : 'unforeseen'),
)
const active: readonly { job_id: number }[] = await coordinator.activeJobs()
const waited: string = await workflow.waitFor(1).then(
  ({ status }) => status,
  (error: unknown) => (error instanceof RefusedError ? error.refusal.code : 'unforeseen'),
)
const tasks: number = coordinator.processingTasks().length
await workflow.close()
const [named] = rendererCases((): Renderer => ({ name: 'mine', models: ['mine'], maxConcurrency: 1, render: () => Promise.reject(new Error()) }))
await named!.run()
console.log(JSON.stringify({ refusal, waited, active, tasks, heard }))
`,
  )
  writeFileSync(
    join(app, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'es2024',
        module: 'nodenext',
        strict: true,
        noEmit: true,
        skipLibCheck: true,
        types: ['node'],
        typeRoots: [join(repository, 'node_modules', '@types')],
      },
      include: ['embed.ts'],
    }),
  )
  const compiler = join(repository, 'node_modules/typescript/bin/tsc')
  expect(run(process.execPath, [compiler])).toBe('')
  // Declarations of packages that ours depend on contradict each other.
  const strict = spawnSync(process.execPath, [compiler, '--skipLibCheck', 'false'], {
    cwd: app,
    encoding: 'utf8',
  })
  expect(strict.stdout.split('\n').filter((line) => line.includes('workflow-coordinator/dist'))).toEqual([])
  expect(JSON.parse(run(process.execPath, ['embed.ts']))).toEqual({
    refusal: 'job_not_found',
    waited: 'job_not_found',
    active: [],
    tasks: 0,
    heard: [],
  })
})
