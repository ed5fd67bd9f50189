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
import { type PageSite, type Person, openPageSite } from './open-page.ts'
import { type House, openSeedProvider, seedHouse } from './seed.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { chosen: { type: 'boolean', default: false } },
})
const images = fileURLToPath(new URL('../../docs/images', import.meta.url))
const [folder = images] = positionals

type Scheme = 'light' | 'dark'
type Screen = keyof typeof screens

interface Shot {
  /** The colours are added to it. */
  readonly name: string
  readonly url: string
  readonly schemes: readonly Scheme[]
  /** Called once it is shown. */
  readonly act?: () => Promise<unknown>
}

/** A browser whose window is of this size. */
const open = (site: PageSite, screen: Screen): Promise<Person> =>
  site.person({
    viewport: screens[screen],
    reducedMotion: 'reduce',
    deviceScaleFactor: values.chosen ? 1.5 : 1,
  })

/** A plot is drawn again, in other colours, some frames after the theme has changed. */
const untilDrawn = `(async () => {
  const isBlank = (canvas) => !canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0)
  for (let frames = 0; frames < 300 && [...document.querySelectorAll('canvas')].some(isBlank); frames++)
    await new Promise((resolve) => requestAnimationFrame(resolve))
})()`

async function shoot({ page }: Person, { name, url, schemes, act }: Shot): Promise<void> {
  await page.goto(url)
  await settled(page)
  await act?.()
  for (const colorScheme of schemes) {
    await page.emulateMedia({ colorScheme })
    await settled(page)
    await page.evaluate(untilDrawn)
    const picture = await page.screenshot({ fullPage: !values.chosen })
    const file = join(folder, values.chosen ? name : `${name}-${colorScheme}`)
    await (values.chosen
      ? sharp(picture).webp({ quality: 80, effort: 6 }).toFile(`${file}.webp`)
      : sharp(picture).toFile(`${file}.png`))
    console.log(file)
  }
}

const nameOf = (path: string): string => path.slice(1).replaceAll('/', '-') || 'waiting'
const both = ['light', 'dark'] as const

const playFilm = `(async () => {
  const film = document.querySelector('video[controls]')
  if (!film) return
  film.muted = true
  await film.play()
  film.pause()
})()`

await mkdir(folder, { recursive: true })
const { fake, serverEnv } = await openSeedProvider()
const [site, empty] = [await openPageSite(serverEnv), await openPageSite()]
try {
  const house = await seedHouse(site, fake)
  if (values.chosen) {
    const person = await open(site, 'wide')
    for (const [name, path, colorScheme] of [
      ['page-decide', `/jobs/${house.pending.job_id}`, 'light'],
      ['page-film', `/jobs/${house.completed.job_id}`, 'dark'],
      ['page-waiting', '/', 'light'],
      ['page-overview', '/overview', 'dark'],
    ] as const)
      await shoot(person, {
        name,
        url: `${site.url}${path}`,
        schemes: [colorScheme],
        // Until it has played, Chromium draws a ring over a film.
        act: () => person.page.evaluate(playFilm),
      })
  } else {
    const jobs = Object.entries(house).map(([name, { job_id }]: [string, House[keyof House]]) => ({
      name: `job-${name}`,
      path: `/jobs/${job_id}`,
    }))
    const pages = [...mainPages.map((path) => ({ name: nameOf(path), path })), ...jobs]
    for (const screen of ['wide', 'phone'] as const) {
      const full = await open(site, screen)
      for (const { name, path } of pages)
        await shoot(full, { name: `${name}-full-${screen}`, url: `${site.url}${path}`, schemes: both })
      const none = await open(empty, screen)
      for (const path of [...mainPages, '/jobs/404', '/jobs/nowhere'])
        await shoot(none, {
          name: `${nameOf(path)}-empty-${screen}`,
          url: `${empty.url}${path}`,
          schemes: both,
        })
      const line = await openBadLine(site.url)
      await shoot(full, {
        name: `waiting-broken-${screen}`,
        url: `${line.url}/`,
        schemes: both,
        act() {
          line.cut()
          return full.page.getByText(/^No connection/).waitFor()
        },
      })
      line.close()
      for (const { context } of [full, none]) await context.close()
    }
  }
} finally {
  await site.close()
  await empty.close()
  await fake.kill()
}
