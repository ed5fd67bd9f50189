/** The examples in deploy/ name settings, paths, ports and packages that this version has. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseYaml } from '@redocly/openapi-core'
import { describe, expect, it } from 'vitest'
import { readConfig, settings } from '../src/config.ts'

const read = (name: string): string => readFileSync(join('deploy', name), 'utf8')

/** Lines `NAME=value`, also those that are switched off by a `#`. */
const envOf = (name: string): Record<string, string> =>
  Object.fromEntries(
    [...read(name).matchAll(/^(?:# )?([A-Z][A-Z\d_]*)=(.*)$/gm)].map(([, key, value]) => [key!, value!]),
  )
const dockerfile = read('Dockerfile')
/** The value of an instruction of the last stage. */
const instruction = (name: string): string =>
  new RegExp(`^${name} (.*)$`, 'gm').exec(dockerfile.slice(dockerfile.lastIndexOf('\nFROM ')))?.[1] ?? ''
const imageEnv: Record<string, string> = Object.fromEntries(
  instruction('ENV')
    .split(' ')
    .map((pair) => pair.split('=') as [string, string]),
)

const compose = parseYaml(read('compose.yaml')) as any
const objects = read('kubernetes.yaml')
  .split(/^---$/m)
  .map((text) => parseYaml(text) as any)
const objectOf = (kind: string) => objects.find((one) => one.kind === kind)
const pod = objectOf('Deployment').spec.template.spec
const [container] = pod.containers
const firstKey = (parseYaml(read('kubernetes-first-key.yaml')) as any).spec
const nodes = Object.entries<any>(compose.services).filter(([name]) => /^node-\d$/.test(name))

const seconds = (text: string): number => Number(/^(\d+)s$/.exec(text)![1])

describe('deploy/', () => {
  it('sets only what the configuration reads, and what it accepts', () => {
    const inCompose = nodes.map(([, node]) => ({
      ...imageEnv,
      ...envOf('coordinator.env.example'),
      ...node.environment,
    }))
    const inKubernetes = {
      ...imageEnv,
      ...objectOf('Secret').stringData,
      ...objectOf('ConfigMap').data,
      ...Object.fromEntries(
        container.env.map(({ name }: { name: string }) => [name, 'coordinator-5f8b-x2x']),
      ),
    }
    for (const env of [...inCompose, inKubernetes]) {
      expect(Object.keys(env).filter((name) => !settings.includes(name) && name !== 'NODE_ENV')).toEqual([])
      const config = readConfig(env)
      expect(config).toMatchObject({ dataDir: '/data', keysRequired: true, artifacts: { kind: 's3' } })
      expect(config.databaseUrl).toMatch(/^postgres:/)
    }
    expect(new Set(inCompose.map((env) => env.NODE_NAME)).size).toBe(3)
  })

  it('gives a node more time to stop than its settings allow it', () => {
    for (const [{ drainMs, shutdownGraceMs }, given] of [
      ...nodes.map(
        ([, node]) =>
          [readConfig(envOf('coordinator.env.example')), seconds(node.stop_grace_period)] as const,
      ),
      [
        readConfig({ ...objectOf('Secret').stringData, ...objectOf('ConfigMap').data }),
        Number(pod.terminationGracePeriodSeconds),
      ] as const,
    ])
      expect(given * 1000).toBeGreaterThanOrEqual(drainMs + shutdownGraceMs + 5000)
  })

  it('stays ready long enough for the probe to see that it is not', () => {
    const { drainMs } = readConfig({ ...objectOf('Secret').stringData, ...objectOf('ConfigMap').data })
    const { periodSeconds, failureThreshold, timeoutSeconds } = container.readinessProbe
    expect(drainMs).toBeGreaterThan((periodSeconds * failureThreshold + timeoutSeconds) * 1000)
  })

  it('reaches the nodes at the port that they listen on, and probes paths that exist', () => {
    const port = Number(imageEnv['PORT'])
    expect(instruction('EXPOSE')).toBe(String(port))
    expect(container.ports).toEqual([{ name: 'http', containerPort: port }])
    const targets = [...read('nginx.conf').matchAll(/^ *server (\S+) resolve/gm)].map(([, target]) => target)
    expect(targets).toEqual(nodes.map(([name]) => `${name}:${port}`))
    const [published] = compose.services.balancer.ports
    expect(published.endsWith(`:${/listen (\d+)/.exec(read('nginx.conf'))![1]}`)).toBe(true)
    const probes = ['startupProbe', 'livenessProbe', 'readinessProbe'].map((name) => container[name].httpGet)
    expect(probes.map(({ path }) => path)).toEqual(['/livez', '/livez', '/readyz'])
    expect(dockerfile).toContain('/livez')
    const operations = readFileSync('src/http/routes/operations.ts', 'utf8')
    for (const path of ['/livez', '/readyz']) expect(operations).toContain(`'GET ${path}'`)
  })

  it('names the same hosts, users and buckets in all files', () => {
    const { databaseUrl, artifacts } = readConfig(envOf('coordinator.env.example'))
    const database = new URL(databaseUrl!)
    const postgres = envOf('postgres.env.example')
    expect(Object.keys(compose.services)).toContain(database.hostname)
    expect([database.username, database.password, database.pathname]).toEqual([
      postgres['POSTGRES_USER'],
      postgres['POSTGRES_PASSWORD'],
      `/${postgres['POSTGRES_DB']}`,
    ])
    if (artifacts?.kind !== 's3') throw new Error('no bucket')
    expect(compose.services['create-bucket'].command.join()).toContain(`films/${artifacts.bucket}`)
    expect(Object.keys(compose.services)).toContain(new URL(artifacts.endpoint!).hostname)
    for (const [, { env_file: file }] of Object.entries<any>(compose.services))
      if (file) expect(existsSync(join('deploy', `${file}.example`))).toBe(true)
  })

  it('keeps nodes without rights and without a writable root, but for the folders that they write to', () => {
    const user = 1000
    expect(instruction('USER')).toBe('node')
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: user, fsGroup: user })
    expect(container.securityContext).toMatchObject({
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
    })
    expect(container.volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath)).toEqual([
      imageEnv['DATA_DIR'],
      '/tmp',
    ])
    expect(firstKey.securityContext).toEqual(pod.securityContext)
    expect(firstKey.volumes.map(({ name }: { name: string }) => name)).toEqual(
      pod.volumes.map(({ name }: { name: string }) => name),
    )
    const { image, envFrom, securityContext, volumeMounts } = container
    expect(firstKey.containers).toMatchObject([{ image, envFrom, securityContext, volumeMounts }])
    for (const [name, node] of nodes)
      expect(node).toMatchObject({
        read_only: true,
        tmpfs: ['/tmp'],
        volumes: [`${name}:${imageEnv['DATA_DIR']}`],
      })
  })

  it('installs the optional packages in the versions of development, and copies what it builds from', () => {
    const packageJson = JSON.parse(readFileSync('package.json', 'utf8'))
    const script = /^RUN node -e "(.*?[^\\])"/ms.exec(dockerfile)![1]!.replaceAll('\\\n', '')
    const folder = mkdtempSync(join(tmpdir(), 'deploy-'))
    try {
      writeFileSync(join(folder, 'package.json'), JSON.stringify(packageJson))
      execFileSync(process.execPath, ['-e', script], { cwd: folder })
      const { dependencies, devDependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      const optional = Object.keys(packageJson.peerDependencies)
      expect(devDependencies).toBeUndefined()
      expect(dependencies).toEqual({
        ...packageJson.dependencies,
        ...Object.fromEntries(optional.map((name) => [name, packageJson.devDependencies[name]])),
      })
    } finally {
      rmSync(folder, { recursive: true })
    }
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, names]) =>
      names!.split(' '),
    )
    const kept = [...read('Dockerfile.dockerignore').matchAll(/^!(\S+)$/gm)].map(([, name]) => name)
    expect(new Set(copied)).toEqual(new Set(kept))
    for (const name of copied) expect(existsSync(name)).toBe(true)
    // What the package is built from: `dist` from `src`, `page/dist` from `page`.
    const isCopied = (name: string): boolean => copied.includes(name.replace(/\/?dist$/, '') || 'src')
    expect(packageJson.files.filter((name: string) => !isCopied(name))).toEqual([])
    expect(dockerfile).toContain(`/app/${packageJson.bin.coordinator}`)
  })
})
