/** npm only warns about an older Node, which would fail later with an unclear error. */
const oldest = { major: 24, minor: 2 } as const

/** Why a version of Node is too old; undefined where it is supported. */
export function oldNodeWords(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < oldest.major || (major === oldest.major && minor < oldest.minor)
    ? `Node ${oldest.major}.${oldest.minor} or newer is needed, and this is ${version}`
    : undefined
}
