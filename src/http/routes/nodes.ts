import { z } from '@hono/zod-openapi'
import { type NodeFacts, roles } from '../../job/node.ts'
import { allJobs } from '../access/access.ts'
import { timeOf, timeSchema } from '../edge/path.ts'
import { endpoint, json, resource } from './endpoint.ts'

const nodeSchema = z
  .object({
    id: z.string().describe('Of this life of its process: another one after each start'),
    name: z.string().describe('`NODE_NAME`'),
    role: z.enum(roles),
    version: z.string().describe('Of the program'),
    started_at: timeSchema,
    heard_at: timeSchema.describe('Its last heartbeat'),
    alive: z.boolean().describe('Heard within 15 s; another node takes over the tasks of one that is not'),
    draining: z.boolean().describe('It is stopping, and begins no more tasks'),
    address: z.string().nullable().describe('Where it listens; null before that'),
    slots: z.record(z.string(), z.int()).describe('Renders at once on its machine, by renderer'),
    running: z
      .object({
        tasks: z.record(z.string(), z.int()).describe('By kind'),
        jobs: z.array(z.int()).describe('Their jobs; the first 100'),
      })
      .describe('By its last heartbeat'),
  })
  .openapi('Node')

const nodesSchema = z.object({ nodes: z.array(nodeSchema) }).openapi('Nodes')

export type NodesAnswer = z.infer<typeof nodesSchema>

const nodeAnswer = ({ id, name, role, version, address, slots, load, ...node }: NodeFacts) => ({
  id,
  name,
  role,
  version,
  started_at: timeOf(node.startedAt),
  heard_at: timeOf(node.heardAt),
  alive: node.isAlive,
  draining: node.isDraining,
  address,
  slots: { ...slots },
  running: { tasks: { ...load.tasks }, jobs: [...load.jobs] },
})

export const nodeEndpoints = resource('operations', [
  endpoint({
    id: 'listNodes',
    route: 'GET /api/v3/nodes',
    access: allJobs('read'),
    summary: 'The nodes that share the database, and what runs there',
    description:
      'Oldest first. A node that stops is removed; one that died is listed for a day. With SQLite there is one node.',
    answer: json(200, nodesSchema, 'The nodes'),
    handle: async (_, { coordinator }) => ({ nodes: (await coordinator.nodes()).map(nodeAnswer) }),
  }),
])
