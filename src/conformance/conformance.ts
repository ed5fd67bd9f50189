/** The ports' suites, for authors of adapters. The built-in adapters pass them too. */
export { type ArtifactPlace, artifactStoreCases } from './artifacts.ts'
export type { Case } from './case.ts'
export { type ProviderBench, providerCases } from './providers.ts'
export { rendererCases } from './renderers.ts'
