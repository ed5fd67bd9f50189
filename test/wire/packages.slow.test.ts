/** What only several nodes need is loaded by nothing else, and named where it is missing. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { machineEnvironment } from '../environment.ts'
import { type ServerProcess, createJob, jobUntil, mainPath, startServer } from '../server/process.ts'

const preload = new URL('without-packages.ts', import.meta.url).href
const cliPath = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const without = { NODE_OPTIONS: `--import ${preload}` }

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'packages-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What a program that must not start says. */
const said = (path: string, args: readonly string[], env: Record<string, string>): Promise<string> =>
  new Promise((resolve) => {
    const all = { ...machineEnvironment, ...without, DATA_DIR: join(folder, 'none'), PORT: '0', ...env }
    execFile(process.execPath, [path, ...args], { env: all, timeout: 60_000 }, (error, _, stderr) =>
      resolve(error ? stderr : 'it started'),
    )
  })

const shared = { DATABASE_URL: 'postgres://a:b@127.0.0.1:9/c', ARTIFACTS_URL: `file:///tmp/none` }
const bucket = { ARTIFACTS_URL: 's3://bucket/films', AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' }

it('an embedded server makes a film without them, and looks for none', async () => {
  const server: ServerProcess = await startServer(join(folder, 'embedded'), without)
  try {
    const jobId = await createJob(server, 2)
    await fetch(`${server.url}/api/v3/jobs/${jobId}/approve`, { method: 'POST' })
    await jobUntil(server, jobId, ({ status }) => status === 'completed')
    for (const path of ['/metrics', '/readyz', '/api/openapi.json', '/api/v3/nodes', '/api/v3/storage'])
      expect((await fetch(`${server.url}${path}`)).status).toBe(200)
  } finally {
    expect(await server.kill('SIGTERM')).toBe(0)
  }
  expect(server.said()).not.toContain('looked for')
})

describe('a server that needs them says what to install', () => {
  it.each([
    ['pg', 'npm install pg pg-boss', 'serve', shared],
    ['@aws-sdk/client-s3', 'npm install @aws-sdk/client-s3 @aws-sdk/lib-storage', 'serve', bucket],
    ['pg', 'npm install pg pg-boss', 'keys', shared],
  ])('%s: %s', async (name, install, how, env) => {
    const text = how === 'serve' ? await said(mainPath, [], env) : await said(cliPath, ['keys', 'list'], env)
    expect(text).toContain(`looked for ${name}`)
    expect(text).toMatch(
      new RegExp(`^coordinator: \\w+ needs the package ${name}, which is not installed: ${install}$`, 'm'),
    )
    expect(text).not.toContain('    at ')
  })
})
