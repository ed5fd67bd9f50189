import { expect, it } from 'vitest'
import { isBackground } from '../src/stop.ts'

it.each([
  ['exec node src/main.ts', false],
  ['coordinator serve', false],
  ['npm run build && coordinator serve', false],
  ['coordinator serve > server.log 2>&1', false],
  ['coordinator serve &> server.log', false],
  ['coordinator serve &', true],
  ['coordinator serve & vite', true],
  ['coordinator serve > server.log 2>&1 &', true],
  [undefined, false],
])('the script %j leaves its program in the background: %s', (script, is) => {
  expect(isBackground(script)).toBe(is)
})
