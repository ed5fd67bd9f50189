import { expect, it } from 'vitest'
import { commandName } from '../src/command-name.ts'

it.each([
  ['in a clone', '/films/src/cli.ts', '/films/src/command-name.ts', 'npm run coordinator --'],
  ['where it is on the path', '/usr/bin/coordinator', '/usr/lib/x/dist/command-name.js', 'coordinator'],
  ['where its file was named', '/x/dist/cli.js', '/x/dist/command-name.js', 'coordinator'],
  [
    'where a project has it',
    '/app/node_modules/.bin/coordinator',
    '/app/node_modules/x/dist/command-name.js',
    'npx coordinator',
  ],
  [
    'where nothing is installed',
    '/home/me/.npm/_npx/1f/node_modules/.bin/coordinator',
    '/home/me/.npm/_npx/1f/node_modules/x/dist/command-name.js',
    'npx workflow-coordinator',
  ],
  [
    'in a program that embeds it',
    '/app/server.js',
    '/app/node_modules/x/dist/command-name.js',
    'npx coordinator',
  ],
])('%s, what is suggested can be typed there', (_where, program, module, name) => {
  expect(commandName(program, module)).toBe(name)
})
