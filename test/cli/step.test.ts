import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { createStep, terminalOf } from '../../src/cli/progress.ts'
import { filmRequest } from '../../src/cli/request.ts'

function terminal(isTTY: boolean) {
  const out = Object.assign(new PassThrough(), { isTTY, columns: 80, rows: 24 })
  let text = ''
  out.setEncoding('utf8').on('data', (part: string) => (text += part))
  return {
    terminal: terminalOf(out as unknown as NodeJS.WriteStream, { TERM: 'xterm' }),
    written: () => text,
  }
}

test('what is done just now is told on a terminal, in one line that goes again; elsewhere not at all', () => {
  const live = terminal(true)
  const step = createStep(live.terminal)
  step.say('Uploading kitchen.webp (3 of 6)')
  step.say('Uploading \u001b[2Jgarden.jpg (4 of 6)')
  expect(live.written()).toContain('  Uploading kitchen.webp (3 of 6)')
  expect(live.written()).toContain('garden.jpg (4 of 6)')
  expect(live.written()).not.toContain('\u001b[2J')
  const before = live.written().length
  step.clear()
  expect(live.written().slice(before)).toContain('\u001b[2K')
  for (const quiet of [terminal(false), terminal(true)]) {
    const silent = createStep(quiet.terminal, { silent: quiet.terminal.live })
    silent.say('Uploading kitchen.webp (3 of 6)')
    silent.clear()
    expect(quiet.written()).toBe('')
  }
})

test.each([
  [['kitchen.jpg'], 'property_photos'],
  [['IMG_1.jpg'], 'property_photos'],
  [['kitchen.jpg', 'garden 2.webp'], 'property_photos'],
  [['kitchen.jpg', '02-living_room.png', 'IMG_2041.jpg'], 'property_photos'],
  [['kitchen.jpg', 'IMG_2041.jpg'], 'image_pairs'],
  [['a.jpg', 'b.jpg'], 'image_pairs'],
])('pictures called %j make a film of the type %s, unless one is chosen', (files, type) => {
  const assets = files.map((file, index) => ({ id: String(index), file }))
  expect(filmRequest(assets, {}).type).toBe(type)
  expect(filmRequest(assets, { type: 'image_pairs' }).type).toBe('image_pairs')
})
