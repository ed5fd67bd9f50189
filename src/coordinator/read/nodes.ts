/** The nodes that share the database, and what runs there. */
import type { NodeFacts } from '../../job/node.ts'
import type { Context } from '../context.ts'

/** Oldest first; those that were not heard of for a day are left out. */
export const getNodes = ({ nodes }: Context): Promise<readonly NodeFacts[]> => nodes.list()
