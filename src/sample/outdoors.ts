/** Sample photographs, outdoors. */
import { type Point, Sheet, dice, disc, foliage, many, rect, shape, stroke } from './sheet.ts'

/** A modern house at dusk, its windows lit. */
export function exterior(): string {
  const sheet = new Sheet()
  const roll = dice(3)
  sheet.add(
    rect(0, 0, 1200, 560, sheet.shade(['#1c2f57', '#41568a', '#9a7fa3', '#ee9f7c', '#fdd49a'])),
    many(46, () =>
      disc(
        roll() * 1200,
        roll() * 200,
        0.5 + roll() * 0.9,
        '#fff',
        `opacity="${(0.25 + roll() * 0.55).toFixed(2)}"`,
      ),
    ),
    sheet.glow([860, 545], 640, 190, '#ffb46b', 0.75),
    many(9, (index) =>
      sheet.glow(
        [90 + index * 145 + roll() * 60, 255 + roll() * 150],
        150 + roll() * 150,
        9 + roll() * 13,
        '#ffd9c0',
        0.35 + roll() * 0.4,
      ),
    ),
    `<path d="M0 520 Q160 430 330 490 T640 470 T930 480 T1200 440 V600 H0Z" fill="#39406a" opacity=".8"/>`,
    `<path d="M0 550 Q220 490 420 530 T820 515 T1200 505 V640 H0Z" fill="#252c4b"/>`,
    foliage(21, [95, 430], 120, 165, ['#3d4b3f', '#27352d', '#17221f'], 230),
    rect(88, 520, 16, 110, '#1b1614'),
    foliage(22, [1120, 455], 110, 140, ['#4b5240', '#2c382d', '#18221d'], 210),
    rect(1112, 540, 14, 90, '#1b1614'),
    rect(0, 600, 1200, 200, sheet.shade(['#2e4630', '#1f3323', '#141f18'])),
  )
  drawHouse(sheet)
  sheet.add(
    shape(
      [
        [560, 634],
        [690, 634],
        [880, 800],
        [420, 800],
      ],
      sheet.shade(['#b9a489', '#84776a', '#544e4b']),
    ),
    many(5, (index) => {
      const y = 640 + index ** 1.5 * 19
      const half = 68 + (y - 634) * 1.02
      return rect(632 - half, y, half * 2, 2 + index, '#2d2926', 'opacity=".5"')
    }),
    sheet.glow([628, 650], 260, 70, '#ffcf87', 0.5),
    many(
      3,
      (index) =>
        disc(505 - index * 42, 668 + index * 42, 4 + index, '#fff3cf') +
        sheet.glow([505 - index * 42, 670 + index * 42], 62 + index * 16, 34 + index * 9, '#ffd790', 0.7),
    ),
    many(
      3,
      (index) =>
        disc(768 + index * 47, 668 + index * 42, 4 + index, '#fff3cf') +
        sheet.glow([768 + index * 47, 670 + index * 42], 62 + index * 16, 34 + index * 9, '#ffd790', 0.7),
    ),
    foliage(23, [300, 650], 120, 34, ['#4f6b41', '#35502f', '#203420'], 120),
    foliage(24, [935, 650], 130, 34, ['#4f6b41', '#35502f', '#203420'], 120),
    many(520, () => {
      const y = 655 + roll() ** 0.7 * 145
      const x = roll() * 1200
      return x > 420 - (800 - y) && x < 880 + (y - 800) * 1.1
        ? ''
        : stroke(
            `M${x.toFixed(0)} ${y.toFixed(0)} l${((roll() - 0.5) * 7).toFixed(1)} ${(-5 - roll() * 9).toFixed(1)}`,
            roll() > 0.5 ? '#5c7d48' : '#31492d',
            1.2,
            'stroke-opacity=".7"',
          )
    }),
  )
  return sheet.toString()
}

function drawHouse(sheet: Sheet): void {
  const lit = (x: number, y: number, width: number, height: number, panes: number): string =>
    [
      sheet.glow([x + width / 2, y + height / 2], width * 0.95, height * 1.1, '#ffc873', 0.55),
      rect(x - 5, y - 5, width + 10, height + 10, '#191614'),
      rect(x, y, width, height, sheet.shade(['#ffe9b8', '#ffcf80', '#f0a851'])),
      rect(x + width * 0.62, y + height * 0.5, width * 0.26, height * 0.5, '#a9672f', 'opacity=".5"'),
      disc(x + width * 0.3, y + height * 0.28, 6, '#fffbe8') +
        sheet.glow([x + width * 0.3, y + height * 0.3], 60, 46, '#fffbe8', 0.85),
      rect(x, y, width, height * 0.1, '#fff', 'opacity=".25"'),
      many(panes - 1, (index) => rect(x + ((index + 1) * width) / panes - 2, y, 4, height, '#191614')),
    ].join('')
  sheet.add(
    sheet.glow([620, 642], 520, 40, '#000', 0.7),
    rect(250, 400, 720, 236, sheet.shade(['#e8dccb', '#cdb9a1', '#9c8872'])),
    many(13, (index) => rect(250, 412 + index * 17, 720, 1.2, '#5d4b3b', 'opacity=".22"')),
    rect(330, 236, 430, 168, sheet.shade(['#6b4a34', '#7d563b', '#553825'])),
    many(32, (index) => rect(330 + index * 13.5, 236, 1.5, 168, '#2c1a10', 'opacity=".5"')),
    rect(312, 222, 466, 18, sheet.shade(['#4b4f5c', '#23252d'])),
    rect(236, 390, 752, 16, sheet.shade(['#4b4f5c', '#22242b'])),
    rect(236, 406, 752, 16, '#000', 'opacity=".25"'),
    lit(368, 268, 150, 108, 3),
    lit(560, 268, 162, 108, 2),
    lit(285, 446, 210, 152, 3),
    lit(766, 446, 168, 152, 2),
    rect(566, 436, 128, 200, '#2a2320'),
    rect(576, 446, 74, 190, sheet.shade(['#5a3824', '#3e2617'])),
    rect(656, 446, 30, 190, sheet.shade(['#ffe3a6', '#f2b765'])),
    rect(638, 530, 4, 34, '#e8d3a2'),
    rect(546, 424, 168, 10, '#1d1b1c'),
    disc(630, 440, 5, '#fff6d8'),
    sheet.glow([630, 470], 120, 150, '#ffd58a', 0.6),
    rect(548, 634, 164, 8, '#8a7b6b'),
    rect(835, 190, 44, 204, sheet.shade(['#8f7f70', '#5d5148'], 0)),
    many(13, (index) => rect(835, 196 + index * 15, 44, 1.5, '#382d25', 'opacity=".5"')),
  )
}

/** A garden with a terrace and a pool in the sun. */
export function garden(): string {
  const sheet = new Sheet()
  const roll = dice(77)
  sheet.add(
    rect(0, 0, 1200, 420, sheet.shade(['#3f8fd6', '#86bde8', '#d8ecf5'])),
    sheet.glow([930, 90], 420, 320, '#fff7d6', 0.95),
    many(30, (index) =>
      sheet.glow(
        [140 + (index % 10) * 64 + roll() * 60, 96 + Math.floor(index / 10) * 30 + roll() * 24],
        60 + roll() * 90,
        16 + roll() * 22,
        '#ffffff',
        0.55 + roll() * 0.4,
      ),
    ),
    `<path d="M0 350 Q200 270 420 330 T800 300 T1200 320 V440 H0Z" fill="#7fa7a0" opacity=".7"/>`,
    foliage(71, [150, 300], 190, 150, ['#9cc06a', '#6d9a4a', '#3f6d35', '#274c28'], 420),
    rect(140, 400, 20, 80, '#4b3524'),
    foliage(72, [1060, 280], 190, 170, ['#a8c873', '#74a04e', '#447337', '#28502a'], 440),
    rect(1050, 400, 22, 80, '#4b3524'),
    foliage(73, [600, 400], 640, 52, ['#8fb562', '#5f8d45', '#386434'], 520),
    rect(0, 430, 1200, 370, sheet.shade(['#a3c25f', '#7fa848', '#557f35'])),
    many(1500, () => {
      const far = roll() ** 0.6
      const y = 445 + far * 355
      return stroke(
        `M${(roll() * 1200).toFixed(0)} ${y.toFixed(0)} l${((roll() - 0.5) * 6 * far).toFixed(1)} ${(-(3 + roll() * 9) * far).toFixed(1)}`,
        ['#c3da7f', '#8fb552', '#4e7632'][Math.floor(roll() * 3)] ?? '#8fb552',
        1 + far,
        'stroke-opacity=".55"',
      )
    }),
    shape(
      [
        [330, 500],
        [930, 500],
        [1130, 690],
        [150, 690],
      ],
      sheet.shade(['#efe6d6', '#d8cab3', '#bfae94']),
    ),
    many(7, (index) =>
      stroke(`M${390 + index * 80} 500 L${272 + index * 122} 690`, '#a39277', 1.5, 'opacity=".6"'),
    ),
    shape(
      [
        [395, 520],
        [865, 520],
        [1010, 660],
        [260, 660],
      ],
      '#f9f5ec',
    ),
    shape(
      [
        [408, 526],
        [852, 526],
        [986, 652],
        [284, 652],
      ],
      sheet.shade(['#8fe0e6', '#3fb4cd', '#1d86ad']),
    ),
    many(60, () => {
      const y = 532 + roll() * 112
      const half = 215 + (y - 526) * 1.05
      const x = 630 - half + roll() * half * 1.8
      return stroke(
        `M${x.toFixed(0)} ${y.toFixed(0)} q${(8 + roll() * 14).toFixed(0)} ${roll() > 0.5 ? 5 : -5} ${(22 + roll() * 30).toFixed(0)} 0`,
        '#e9ffff',
        1.6,
        `opacity="${(0.2 + roll() * 0.5).toFixed(2)}"`,
      )
    }),
    sheet.glow([720, 560], 190, 60, '#ffffff', 0.6),
  )
  for (const [x, y, size] of [
    [118, 642, 1],
    [60, 566, 0.8],
  ] as const)
    drawLounger(sheet, x, y, size)
  sheet.add(
    sheet.glow([250, 655], 180, 22, '#1c2a10', 0.5),
    rect(236, 400, 7, 250, '#6f5a45'),
    `<path d="M80 412 Q240 300 400 412 Q360 398 320 410 Q280 396 240 410 Q200 396 160 410 Q120 398 80 412z" fill="${sheet.shade(['#fffaf0', '#e8d9c0', '#cdb692'])}"/>`,
    foliage(74, [1090, 700], 150, 90, ['#b7d07c', '#7da555', '#4a7739'], 190),
    many(46, (index) =>
      disc(
        970 + roll() * 220,
        640 + roll() * 120,
        4 + roll() * 6,
        ['#f6d6e1', '#e57fa2', '#fff3b0', '#f4a259'][index % 4] ?? '#fff',
      ),
    ),
    foliage(75, [40, 745], 150, 80, ['#a9c872', '#6f9a4c', '#3f6b33'], 170),
    many(34, (index) =>
      disc(
        roll() * 170,
        700 + roll() * 90,
        4 + roll() * 6,
        ['#ffffff', '#c9a4e0', '#8b6fc4'][index % 3] ?? '#fff',
      ),
    ),
    rect(0, 0, 1200, 800, sheet.shade(['#fff3cf@0.05', '#fff3cf@0.16'], 200)),
  )
  return sheet.toString()
}

function drawLounger(sheet: Sheet, x: number, y: number, size: number): void {
  const at = (dx: number, dy: number): Point => [x + dx * size, y + dy * size]
  sheet.add(
    sheet.glow(at(70, 30), 120 * size, 20 * size, '#1c2a10', 0.55),
    shape([at(0, -6), at(120, -6), at(150, 16), at(20, 16)], sheet.shade(['#fffdf7', '#e7dfd0'])),
    shape([at(0, -6), at(20, 16), at(-12, -40), at(-30, -56)], sheet.shade(['#fffdf7', '#d8ccb7'])),
    shape([at(20, 16), at(150, 16), at(150, 24), at(20, 24)], '#8a6a48'),
    stroke(
      `M${at(28, 24).join(' ')} l0 ${16 * size} M${at(142, 24).join(' ')} l0 ${16 * size}`,
      '#6f5236',
      5 * size,
    ),
    shape([at(60, -4), at(92, -4), at(118, 15), at(84, 15)], '#e58f6a', 'opacity=".9"'),
  )
}
