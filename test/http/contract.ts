/** Holds answers against the document that describes them: status, type, and every member, none left out of it. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { openInstallation } from '../../src/coordinator/attempt/installation.ts'
import { systemHost } from '../../src/host.ts'
import { type ApiDocument, type Schema, methods } from '../../src/http/openapi/types.ts'
import { answerIn } from '../../src/http/openapi/document.ts'
import { openMetrics } from '../../src/telemetry/metrics.ts'
import { createPrune } from '../../src/retention/prune.ts'
import { createAddresses } from '../../src/wire/addresses.ts'
import { keepAll } from '../harness/pruning.ts'
import type { AppHarness } from '../harness/app.ts'

/** The app with all its routes. `close` ends what it counts by. */
export async function wholeApp({ appWith, coordinator, artifacts, database, pubsub, feed, log }: AppHarness) {
  const freeBytes = () => Promise.resolve(1e9)
  const parts = { coordinator, database, pubsub, feed, host: systemHost, version: '0', freeBytes }
  const metrics = await openMetrics(parts)
  const installation = await openInstallation({ database, host: systemHost, log })
  const addresses = createAddresses(
    { publicBaseUrl: undefined },
    { installation, host: systemHost, areShared: false },
  )
  const storage = createPrune({
    coordinator,
    artifacts,
    limits: keepAll,
    host: systemHost,
    log,
    freeBytes,
    lead: () => {},
  })
  const access = { keysRequired: false, ratePerMinute: 0 }
  const app = appWith({ metrics, installation, addresses, storage, access })
  const close = async (): Promise<void> => {
    metrics.stop()
    await storage.stop()
  }
  return { app, close }
}

export interface Contract {
  readonly document: ApiDocument
  /** What is wrong with an answer; nothing where it is as documented. Reads a copy of its body. */
  check(method: string, url: string, response: Response): Promise<readonly string[]>
  /** What is wrong with a body that is sent to an operation. */
  checkBody(operationId: string, body: unknown): readonly string[]
  /** What is wrong with a message that is posted to an endpoint. */
  checkMessage(type: string, message: unknown): readonly string[]
  /** Operations that were checked, with the statuses they answered. */
  readonly seen: ReadonlyMap<string, ReadonlySet<number>>
}

export const operationsOf = ({ paths }: ApiDocument) =>
  Object.entries(paths).flatMap(([path, item]) =>
    methods.flatMap((method) => {
      const operation = item[method]
      return operation ? [{ path, method, operation, id: operation.operationId! }] : []
    }),
  )

export function createContract(document: ApiDocument): Contract {
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: true })
  // Its types are of a default export that CommonJS gives whole.
  ;(formats as unknown as (one: Ajv2020) => void)(ajv)
  ajv.addSchema(closed(document) as object, 'api')
  const operations = operationsOf(document).map((one) => ({ ...one, pattern: patternOf(one.path) }))
  const seen = new Map<string, Set<number>>()

  const problems = (pointer: readonly string[], value: unknown): readonly string[] => {
    const validate = ajv.getSchema(`api#/${pointer.map(escaped).join('/')}`)
    if (!validate) return [`there is no schema at ${pointer.join(' ')}`]
    if (validate(value)) return []
    return validate.errors!.map(
      ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
    )
  }

  return {
    document,
    seen,
    async check(method, url, response) {
      const { pathname } = new URL(url, 'http://localhost')
      // The most literal path is the one that is matched.
      const [found] = operations
        .filter((one) => one.method === method.toLowerCase() && one.pattern.test(pathname))
        .toSorted((one, other) => one.path.split('{').length - other.path.split('{').length)
      if (!found) return [`${method} ${pathname} is not documented`]
      const { id, operation, path } = found
      seen.set(id, (seen.get(id) ?? new Set()).add(response.status))
      if (ofTheConnection.has(response.status)) return []
      const status = String(response.status)
      const answer = operation.responses[status]
      if (!answer) return [`${id}: ${status} is not documented`]
      const { content } = answerIn(document, answer)
      const type = (response.headers.get('content-type') ?? '').split(';')[0]!
      if (!content) return type === '' ? [] : [`${id}: ${response.status} is documented without a body`]
      const documented = Object.keys(content).find((one) =>
        new RegExp(`^${one.replaceAll('*', '.*').replaceAll('+', '\\+')}$`).test(type),
      )
      if (documented === undefined) return [`${id}: ${response.status} as ${type} is not documented`]
      if (!type.endsWith('json')) return []
      const body: unknown = JSON.parse(await response.clone().text())
      const from =
        answer.$ref === undefined
          ? ['paths', path, method.toLowerCase(), 'responses', status]
          : answer.$ref.split('/').slice(1)
      const at = [...from, 'content', documented, 'schema']
      return problems(at, body).map((problem) => `${id} ${response.status}: ${problem}`)
    },
    checkMessage: (type, message) =>
      problems(['webhooks', type, 'post', 'requestBody', 'content', 'application/json', 'schema'], message),
    checkBody(operationId, body) {
      const { path, method } = operations.find(({ id }) => id === operationId)!
      return problems(['paths', path, method, 'requestBody', 'content', 'application/json', 'schema'], body)
    },
  }
}

/** What is answered before any operation is looked at. */
const ofTheConnection: ReadonlySet<number> = new Set([405, 408, 421, 431])

const patternOf = (path: string): RegExp =>
  new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`)

const escaped = (part: string): string => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))

/** The document with every object closed that says nothing of further members: an answer may have no others. */
function closed(document: ApiDocument): unknown {
  const open = new Set<unknown>()
  const isPart = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    const { allOf } = node as Schema
    for (const part of allOf ?? [])
      open.add(part.$ref === undefined ? part : document.components.schemas[part.$ref.split('/').at(-1)!])
    Object.values(node).forEach(isPart)
  }
  isPart(document)
  const close = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(close)
    if (typeof node !== 'object' || node === null) return node
    const schema = node as Schema
    const isObject = schema.type === 'object' && schema.properties !== undefined
    const isOpen = open.has(node) || 'additionalProperties' in node || !(isObject || schema.allOf)
    const inner = Object.entries(node).map(([name, value]) => [name, close(value)] as const)
    return { ...Object.fromEntries(inner), ...(!isOpen && { unevaluatedProperties: false }) }
  }
  return close(document)
}
