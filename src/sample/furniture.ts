/** What the rooms of the sample photographs are made of: four walls by one-point perspective, and things in them. */
import { type Point, Sheet, dice, disc, foliage, many, rect, shape, stroke } from './sheet.ts'

export interface Room {
  /** The back wall. */
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
  readonly wall: readonly string[]
  readonly leftWall: readonly string[]
  readonly rightWall: readonly string[]
  readonly ceiling: readonly string[]
  readonly floor: readonly string[]
  /** Colour of the joints between floor boards; none for a smooth floor. */
  readonly joints: string | null
  readonly width?: number
  readonly height?: number
}

/** Four walls and a floor around one vanishing point. */
export function drawRoom(sheet: Sheet, room: Room): void {
  const { left, top, right, bottom, width = 1200, height = 800 } = room
  const vanish: Point = [(left + right) / 2, top + (bottom - top) * 0.55]
  sheet.add(
    shape(
      [
        [0, 0],
        [width, 0],
        [right, top],
        [left, top],
      ],
      sheet.shade(room.ceiling),
    ),
    shape(
      [
        [0, 0],
        [left, top],
        [left, bottom],
        [0, height],
      ],
      sheet.shade(room.leftWall, 0),
    ),
    shape(
      [
        [width, 0],
        [right, top],
        [right, bottom],
        [width, height],
      ],
      sheet.shade(room.rightWall, 0),
    ),
    rect(left, top, right - left, bottom - top, sheet.shade(room.wall)),
    shape(
      [
        [left, bottom],
        [right, bottom],
        [width, height],
        [0, height],
      ],
      sheet.shade(room.floor),
    ),
  )
  if (room.joints !== null) {
    const floor = sheet.clip([
      [left, bottom],
      [right, bottom],
      [width, height],
      [0, height],
    ])
    sheet.add(`<g clip-path="${floor}">`)
    drawBoards(sheet, room, vanish, room.joints)
    sheet.add('</g>')
  }
  const skirting = Math.round((bottom - top) * 0.025)
  sheet.add(
    rect(left, bottom - skirting, right - left, skirting, '#ffffff', 'opacity=".75"'),
    rect(left, bottom, right - left, 3, '#000', 'opacity=".25"'),
    shape(
      [
        [left - 14, top],
        [left, top],
        [left, bottom],
        [left - 14, bottom + 8],
      ],
      '#000',
      'opacity=".05"',
    ),
    sheet.glow([vanish[0], bottom + 4], (right - left) * 0.62, 26, '#1a0f08', 0.35),
    shape(
      [
        [0, 0],
        [width, 0],
        [right, top],
        [left, top],
      ],
      sheet.shade(['#000@0', '#000@0.10']),
    ),
  )
}

export function drawBoards(sheet: Sheet, room: Room, vanish: Point, color: string): void {
  const { left, right, bottom, width = 1200, height = 800 } = room
  const roll = dice(7)
  const spread = (at: number, y: number): number =>
    vanish[0] + ((at - vanish[0]) * (y - vanish[1])) / (bottom - vanish[1])
  const board = (right - left) / 16
  for (let index = -14; index < 30; index++) {
    const at = left + index * board
    const points: Point[] = [
      [at, bottom],
      [at + board, bottom],
      [spread(at + board, height), height],
      [spread(at, height), height],
    ]
    sheet.add(shape(points, roll() > 0.5 ? '#fff' : '#2a1508', `opacity="${(roll() * 0.09).toFixed(3)}"`))
    sheet.add(stroke(`M${at} ${bottom} L${spread(at, height)} ${height}`, color, 1.4, 'opacity=".55"'))
    for (let joint = 0; joint < 3; joint++) {
      const y = bottom + (height - bottom) * ((joint + roll()) / 3) ** 1.4
      if (y < height)
        sheet.add(stroke(`M${spread(at, y)} ${y} L${spread(at + board, y)} ${y}`, color, 1.2, 'opacity=".5"'))
    }
  }
  sheet.add(rect(0, bottom, width, height - bottom, sheet.shade(['#fff@0.14', '#fff@0', '#000@0.18'])))
}

/** A window onto sky and trees, and its light on what is before it. */
export function drawWindow(
  sheet: Sheet,
  x: number,
  y: number,
  width: number,
  height: number,
  panes: number,
): void {
  sheet.add(
    sheet.glow([x + width / 2, y + height / 2], width * 1.15, height * 0.95, '#fff6dd', 0.8),
    rect(x - 9, y - 9, width + 18, height + 18, '#f7f4ee'),
    rect(x, y, width, height, sheet.shade(['#9fc6e8', '#d9ebf4', '#fbf4df'])),
    `<g>${foliage(11, [x + width * 0.25, y + height * 0.86], width * 0.32, height * 0.16, ['#b4c98f', '#8fae6e', '#6f9158'], 70)}`,
    foliage(
      12,
      [x + width * 0.72, y + height * 0.82],
      width * 0.28,
      height * 0.2,
      ['#c3d49c', '#97b674', '#7a9c62'],
      70,
    ),
    '</g>',
    rect(x, y + height, width, 9, '#f7f4ee'),
    rect(x, y, width, height, '#fffaf0', 'opacity=".28"'),
    many(panes - 1, (index) => rect(x + ((index + 1) * width) / panes - 3, y, 6, height, '#f2eee6')),
    rect(x, y + height * 0.34, width, 5, '#f2eee6'),
    rect(x - 22, y + height + 9, width + 44, 10, '#fffdf8'),
    rect(x - 22, y + height + 19, width + 44, 5, '#000', 'opacity=".18"'),
  )
}

export function plant(sheet: Sheet, [x, y]: Point, size: number, seed: number): void {
  const roll = dice(seed)
  sheet.add(
    sheet.glow([x, y + 2], size * 0.5, size * 0.1, '#000', 0.55),
    many(22, () => {
      const lean = (roll() - 0.5) * size * 1.15
      const tall = size * (0.7 + roll() * 0.75)
      const color = ['#3f6b3a', '#557f45', '#6d9653', '#2f5631'][Math.floor(roll() * 4)] ?? '#3f6b3a'
      const tipX = x + lean
      const tipY = y - size * 0.4 - tall * (1 - Math.abs(lean) / size / 1.6)
      return `<path d="M${x} ${y - size * 0.4} Q${x + lean * 0.25} ${tipY - size * 0.1} ${tipX} ${tipY} Q${x + lean * 0.55} ${tipY + size * 0.28} ${x} ${y - size * 0.4}" fill="${color}"/>`
    }),
    shape(
      [
        [x - size * 0.24, y - size * 0.46],
        [x + size * 0.24, y - size * 0.46],
        [x + size * 0.17, y],
        [x - size * 0.17, y],
      ],
      sheet.shade(['#e9e2d6', '#cfc4b2', '#8f8474'], 0),
    ),
  )
}

export function lamp(sheet: Sheet, [x, y]: Point, drop: number, radius: number): void {
  sheet.add(
    stroke(`M${x} ${y} V${y + drop}`, '#2b2622', 2.5),
    shape(
      [
        [x - radius * 0.35, y + drop],
        [x + radius * 0.35, y + drop],
        [x + radius, y + drop + radius],
        [x - radius, y + drop + radius],
      ],
      sheet.shade(['#3b342d', '#221d19']),
    ),
    `<ellipse cx="${x}" cy="${y + drop + radius}" rx="${radius}" ry="${radius * 0.16}" fill="#fff1c8"/>`,
    sheet.glow([x, y + drop + radius + 6], radius * 3.4, radius * 2.6, '#ffd98a', 0.6),
  )
}

export function picture(
  sheet: Sheet,
  x: number,
  y: number,
  width: number,
  height: number,
  colors: readonly string[],
): string {
  return [
    rect(x + 5, y + 8, width, height, '#000', 'opacity=".22"'),
    rect(x, y, width, height, '#2e2822'),
    rect(x + 5, y + 5, width - 10, height - 10, '#f6f1e7'),
    rect(x + width * 0.16, y + height * 0.14, width * 0.68, height * 0.72, sheet.shade(colors)),
    disc(x + width * 0.6, y + height * 0.38, width * 0.11, '#fbe7b2', 'opacity=".9"'),
    shape(
      [
        [x + width * 0.16, y + height * 0.7],
        [x + width * 0.4, y + height * 0.48],
        [x + width * 0.84, y + height * 0.74],
        [x + width * 0.84, y + height * 0.86],
        [x + width * 0.16, y + height * 0.86],
      ],
      '#3a4d57',
      'opacity=".75"',
    ),
  ].join('')
}

export function cushion(
  sheet: Sheet,
  x: number,
  y: number,
  width: number,
  height: number,
  color: readonly string[],
  turn = 0,
): string {
  return `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="${height * 0.24}" fill="${sheet.shade(color)}" transform="rotate(${turn} ${x + width / 2} ${y + height})"/>`
}
