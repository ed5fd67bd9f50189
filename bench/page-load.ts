/**
 * The page's first load: bytes as they come over the line, and the time until the list of what waits can be used, on 4G
 * (9 Mbit/s, 170 ms from request to answer), on Lighthouse's slow 4G (1.6 Mbit/s, 150 ms), and on no limit, each with an empty
 * cache. Medians of five. Run: node bench/page-load.ts
 */
import { openPageSite } from '../test/page/open-page.ts'
import { uploadSample } from '../test/page/seed.ts'
import { median } from './harness.ts'

const runs = 5
const profiles = {
  '4G (9 Mbit/s, 170 ms)': { latency: 170, downloadThroughput: 9e6 / 8, uploadThroughput: 3e6 / 8 },
  'slow 4G (1.6 Mbit/s, 150 ms)': {
    latency: 150,
    downloadThroughput: 1.6e6 / 8,
    uploadThroughput: 0.75e6 / 8,
  },
  'no limit': { latency: 0, downloadThroughput: -1, uploadThroughput: -1 },
}

const film = 'Harbour house'
/** Notes when the film's name is drawn. */
const noteUsable = `{
  const look = (now) => {
    if (document.querySelector('main')?.innerText.includes('${film}')) globalThis.usableAt = now
    else requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
}`

interface Loaded {
  readonly url: string
  readonly bytes: number
}

const site = await openPageSite()
try {
  const asset_id = await uploadSample(site.client, 'garden.jpg')
  await site.client.createJob({
    type: 'property_photos',
    video_name: film,
    parameters: { photos: [{ asset_id }] },
  })
  let last: readonly Loaded[] = []
  const load = async (profile: (typeof profiles)['no limit']): Promise<number> => {
    const { page, context, go } = await site.person()
    const cdp = await context.newCDPSession(page)
    await cdp.send('Network.enable')
    await cdp.send('Network.emulateNetworkConditions', { offline: false, ...profile })
    const urls = new Map<string, string>()
    const loaded: Loaded[] = []
    cdp.on('Network.responseReceived', ({ requestId, response }) => urls.set(requestId, response.url))
    cdp.on('Network.loadingFinished', ({ requestId, encodedDataLength }) =>
      loaded.push({ url: urls.get(requestId) ?? '', bytes: encodedDataLength }),
    )
    await page.addInitScript(noteUsable)
    await go('/')
    await page.getByText(film).waitFor()
    // What is loaded for later is counted, too.
    await page.waitForTimeout(1500)
    last = loaded
    const usableAt = await page.evaluate<number>('globalThis.usableAt')
    await context.close()
    return usableAt
  }
  await load(profiles['no limit'])
  for (const [name, profile] of Object.entries(profiles)) {
    const times: number[] = []
    for (let run = 0; run < runs; run++) times.push(await load(profile))
    console.log(
      `${name}: usable after ${median(times).toFixed(0)} ms (${times.map((ms) => ms.toFixed(0)).join(', ')})`,
    )
  }
  const sum = last.reduce((total, { bytes }) => total + bytes, 0)
  console.log(`\n${(sum / 1000).toFixed(1)} kB in ${last.length} answers, as sent:`)
  for (const { url, bytes } of last.toSorted((one, other) => other.bytes - one.bytes))
    console.log(`${(bytes / 1000).toFixed(1).padStart(8)} kB  ${new URL(url).pathname}`)
} finally {
  await site.close()
}
