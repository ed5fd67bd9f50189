/** A real browser, where this machine has one. CHROMIUM_PATH says where it is: then a missing one is an error, and no test is skipped. */
import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const promised = process.env.CHROMIUM_PATH
if (promised && !existsSync(promised)) throw new Error(`There is no Chromium at CHROMIUM_PATH=${promised}`)
const executablePath =
  promised || ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => existsSync(path))

export const hasChromium = executablePath !== undefined

export const launchChromium = (): Promise<Browser> =>
  chromium.launch({
    executablePath: executablePath!,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  })
