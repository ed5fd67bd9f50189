/** Builds the page before the tests where it is older than its sources: `npm ci` may have been before the last change. */
import { execFileSync } from 'node:child_process'
import { globSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const sources = ['page/*.*', 'page/{public,src,styles}/**/*.*', 'src/client/**/*.ts']

const changedAt = (patterns: readonly string[]): number =>
  Math.max(0, ...globSync([...patterns], { cwd: root }).map((path) => statSync(`${root}/${path}`).mtimeMs))

/** Once, before all workers: they look at its files while others of them begin. */
export default function build(): void {
  if (changedAt(['page/dist/index.html']) < changedAt(sources))
    execFileSync('npm', ['run', 'build:page'], { cwd: root, stdio: 'pipe' })
}
