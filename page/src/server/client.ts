/** The project's own client, at the server that this page came from. The session's cookie goes with each request. */
import { createClient } from '../../../src/client/client.ts'

export * from '../../../src/client/client.ts'

export const client = createClient({ url: location.origin })
