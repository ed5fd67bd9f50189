/**
 * A node as `src/main.ts` starts it, that also writes the id of each event which a subscriber in it hears to the file HEARD.
 */
import { openSync, writeSync } from 'node:fs'
import { readConfig } from '../../src/config.ts'
import { listen } from '../../src/http/edge/server.ts'
import { createLog } from '../../src/log.ts'
import { openWorkflow } from '../../src/wire.ts'

const { HEARD, ...env } = process.env
process.once('disconnect', () => process.exit(0))
const config = readConfig(env)
const workflow = await openWorkflow(config, { log: createLog({ level: config.logLevel }) })
const heard = openSync(HEARD ?? '', 'a')
workflow.pubsub.subscribe('*', ({ id }) => void writeSync(heard, `${id}\n`))
const { url } = await listen(workflow.app, { host: config.host, port: config.port })
workflow.listensOn(url)
process.send?.({ url })
