/**
 * Takes pictures of every page: light and dark, wide and on a phone, full, empty, and without a connection.
 * Run: npm run screenshots -- FOLDER. With --chosen instead of a folder, it makes those of the README.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import sharp from 'sharp'
import { openBadLine } from './bad-line.ts'
import { mainPages, screens, settled } from './looks.ts'
import { type PageSite, openPageSite } from './open-page.ts'
import { openSeedProvider, seedHouse } from './seed.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { chosen: { type: 'boolean', default: false } },
})
const images = fileURLToPath(new URL('../../docs/images', import.meta.url))
const [folder = images] = positionals

type Scheme = 'light' | 'dark'
type Screen = keyof typeof screens

interface Shot {
  readonly name: string
  readonly url: string
  readonly colorScheme: Scheme
  readonly screen: Screen
  /** Called once it is shown. */
  readonly act?: () => void
  readonly isWhole?: boolean
}

async function shoot(
  site: PageSite,
  { name, url, colorScheme, screen, act, isWhole = true }: Shot,
): Promise<void> {
  const { page, context } = await site.person({
    colorScheme,
    viewport: screens[screen],
    reducedMotion: 'reduce',
    deviceScaleFactor: values.chosen ? 1.5 : 1,
  })
  await page.goto(url)
  await settled(page)
  if (act) {
    act()
    await page.getByText(/^No connection/).waitFor()
  }
  const picture = await page.screenshot({ fullPage: isWhole })
  const file = join(folder, name)
  await (values.chosen
    ? sharp(picture).webp({ quality: 80, effort: 6 }).toFile(`${file}.webp`)
    : sharp(picture).toFile(`${file}.png`))
  console.log(name)
  await context.close()
}

const nameOf = (path: string): string => path.slice(1).replaceAll('/', '-') || 'waiting'

await mkdir(folder, { recursive: true })
const { fake, serverEnv } = await openSeedProvider()
const [site, empty] = [await openPageSite(serverEnv), await openPageSite()]
try {
  const house = await seedHouse(site, fake)
  if (values.chosen) {
    const look = { isWhole: false, screen: 'wide' } as const
    const at = (path: string): string => `${site.url}${path}`
    await shoot(site, { ...look, name: 'page-waiting', url: at('/'), colorScheme: 'light' })
    await shoot(site, {
      ...look,
      name: 'page-decide',
      url: at(`/jobs/${house.pending.job_id}`),
      colorScheme: 'light',
    })
    await shoot(site, {
      ...look,
      name: 'page-running',
      url: at(`/jobs/${house.running.job_id}`),
      colorScheme: 'dark',
    })
    await shoot(site, { ...look, name: 'page-overview', url: at('/overview'), colorScheme: 'dark' })
  } else {
    const jobs = Object.entries(house).map(([name, job]) => ({
      name: `job-${name}`,
      path: `/jobs/${job.job_id}`,
    }))
    const pages = [...mainPages.map((path) => ({ name: nameOf(path), path })), ...jobs]
    for (const colorScheme of ['light', 'dark'] as const)
      for (const screen of ['wide', 'phone'] as const) {
        const look = `${colorScheme}-${screen}`
        for (const { name, path } of pages)
          await shoot(site, { name: `${name}-${look}-full`, url: `${site.url}${path}`, colorScheme, screen })
        for (const path of [...mainPages, '/jobs/404', '/nowhere'])
          await shoot(empty, {
            name: `${nameOf(path)}-${look}-empty`,
            url: `${empty.url}${path}`,
            colorScheme,
            screen,
          })
        const line = await openBadLine(site.url)
        const url = `${line.url}/`
        await shoot(site, { name: `waiting-${look}-broken`, url, colorScheme, screen, act: line.cut })
        line.close()
      }
  }
} finally {
  await site.close()
  await empty.close()
  await fake.kill()
}
