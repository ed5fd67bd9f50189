/** The ports' suites, for those who write adapters of their own: what is built in passes the same. */
export { type ArtifactPlace, artifactStoreCases } from './artifacts.ts'
export type { Case } from './case.ts'
export { type ProviderBench, providerCases } from './providers.ts'
export { rendererCases } from './renderers.ts'
