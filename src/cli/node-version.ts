/** npm only warns of an older Node, which would fail somewhere inside and in words of its own. */
const oldest = { major: 24, minor: 2 } as const

/** What is wrong with a version; undefined where nothing is. */
export function oldNodeWords(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < oldest.major || (major === oldest.major && minor < oldest.minor)
    ? `Node ${oldest.major}.${oldest.minor} or newer is needed, and this is ${version}`
    : undefined
}
