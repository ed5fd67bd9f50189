import { afterAll, describe, it } from 'vitest'
import { createFakeProvider } from '../../src/fake-replicate/provider.ts'
import { createFetch } from '../fake-replicate/fetch.ts'
import { providerCases, rendererCases } from '../../src/conformance/conformance.ts'
import { systemHost } from '../../src/host.ts'
import { readCatalogue } from '../../src/job/catalogue.ts'
import { createMedia } from '../../src/media/pool.ts'
import { createLocalRenderer } from '../../src/renderer/local.ts'
import { createReplicate } from '../../src/renderer/replicate/replicate.ts'

describe('the local renderer', () => {
  const media = createMedia({ host: systemHost })
  afterAll(() => media.close())
  for (const { name, run } of rendererCases(() => createLocalRenderer({ media, maxConcurrency: 2 })))
    it(name, run)
})

describe('Replicate', () => {
  const open = () => {
    const fake = createFakeProvider({
      host: systemHost,
      options: { startMs: 20, renderMs: 100, seed: 1 },
      record: () => {},
      clip: () => Promise.resolve(new Uint8Array(100_000).fill(7)),
    })
    const fetch = createFetch(fake)
    const provider = createReplicate({
      baseUrl: 'https://api.replicate.test',
      token: 'r8_fake',
      maxConcurrency: 4,
      startDelayMs: 0,
      catalogue: readCatalogue(),
      inputUrl: undefined,
      webhookUrl: undefined,
      host: systemHost,
      fetch,
      fetchOutside: fetch,
    })
    return {
      provider,
      model: 'google/veo-3.1-fast',
      settings: { seconds: 4, resolution: '720p', aspect_ratio: '16:9', audio: false },
    }
  }
  for (const { name, run } of providerCases(open)) it(name, run)
})
