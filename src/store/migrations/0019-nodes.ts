import type { Migration } from '../migrate.ts'

export const nodes: Migration = { id: 19, name: 'nodes', statements: [] }
