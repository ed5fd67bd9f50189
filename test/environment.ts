/**
 * What the programs that tests start see of our environment: what a machine gives, and none of the product's settings.
 * A token in the environment of who runs the tests would make a server buy renders; a setting would change answers.
 */
const given = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'SystemRoot', 'NODE_COMPILE_CACHE', 'NODE_EXTRA_CA_CERTS']

export const machineEnvironment: Readonly<Record<string, string>> = Object.fromEntries(
  given.flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  }),
)
