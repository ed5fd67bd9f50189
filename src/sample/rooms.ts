/** Sample photographs, indoors. */
import { Sheet, disc, foliage, many, rect, shape, stroke } from './sheet.ts'
import { cushion, drawRoom, drawWindow, lamp, picture, plant } from './furniture.ts'

/** A living room in morning light. */
export function livingRoom(): string {
  const sheet = new Sheet()
  drawRoom(sheet, {
    left: 270,
    top: 150,
    right: 950,
    bottom: 540,
    wall: ['#ece6da', '#e2d9c9', '#d3c6b1'],
    leftWall: ['#b9ad9a', '#e9e2d4'],
    rightWall: ['#d8cebc', '#a99b86'],
    ceiling: ['#d9d5cd', '#f7f5f0'],
    floor: ['#b98a5c', '#a87547', '#7d5230'],
    joints: '#4e2f18',
  })
  drawWindow(sheet, 330, 190, 250, 250, 3)
  sheet.add(
    rect(292, 168, 42, 376, sheet.shade(['#f7f2e8', '#ddd2be', '#efe8da'], 0), 'opacity=".95"'),
    rect(578, 168, 42, 376, sheet.shade(['#efe8da', '#ddd2be', '#f7f2e8'], 0), 'opacity=".95"'),
    many(
      5,
      (index) =>
        rect(298 + index * 7, 168, 1.5, 376, '#a99c86', 'opacity=".35"') +
        rect(584 + index * 7, 168, 1.5, 376, '#a99c86', 'opacity=".35"'),
    ),
    stroke('M280 166 H632', '#3b3027', 5),
    shape(
      [
        [350, 545],
        [560, 545],
        [760, 800],
        [330, 800],
      ],
      '#fff3cf',
      'opacity=".26"',
    ),
    shape(
      [
        [430, 545],
        [440, 545],
        [540, 800],
        [505, 800],
      ],
      '#6b451f',
      'opacity=".22"',
    ),
    picture(sheet, 690, 205, 92, 120, ['#8fb3c7', '#d8c7a4', '#c98f6a']),
    picture(sheet, 800, 205, 92, 120, ['#d7b28f', '#e7d5b6', '#7e9a8a']),
    `<ellipse cx="600" cy="690" rx="430" ry="88" fill="${sheet.shade(['#e9ddca', '#d1bfa6'])}"/>`,
    many(
      9,
      (index) =>
        `<ellipse cx="600" cy="690" rx="${410 - index * 44}" ry="${83 - index * 9}" fill="none" stroke="#a98f70" stroke-width="2" opacity=".35"/>`,
    ),
    sheet.glow([690, 592], 330, 46, '#1d120a', 0.6),
  )
  drawSofa(sheet)
  sheet.add(
    sheet.glow([520, 722], 190, 30, '#1d120a', 0.55),
    `<ellipse cx="520" cy="668" rx="150" ry="34" fill="${sheet.shade(['#8a5a34', '#5d3a1f'])}"/>`,
    `<ellipse cx="520" cy="662" rx="150" ry="33" fill="${sheet.shade(['#d0a273', '#a8764a'])}"/>`,
    many(3, (index) =>
      stroke(
        `M${425 + index * 95} ${684 + (index % 2) * 8} l${(index - 1) * 12} 44`,
        '#4b2f19',
        9,
        'stroke-linecap="round"',
      ),
    ),
    rect(455, 640, 82, 11, '#8fa7a0'),
    rect(462, 630, 70, 10, '#d98e63'),
    `<path d="M566 656 q-14 -34 4 -42 q18 8 4 42z" fill="#eae6de"/>`,
    foliage(31, [570, 596], 24, 24, ['#f3d6d0', '#e4a9a0', '#7d9a64'], 34),
  )
  plant(sheet, [205, 628], 150, 41)
  sheet.add(
    stroke('M985 590 V310', '#3a3029', 6),
    `<ellipse cx="985" cy="594" rx="46" ry="9" fill="#2b241f"/>`,
    shape(
      [
        [945, 250],
        [1025, 250],
        [1050, 330],
        [920, 330],
      ],
      sheet.shade(['#fff7df', '#ffe3a4']),
    ),
    sheet.glow([985, 320], 240, 210, '#ffdf9c', 0.65),
    sheet.glow([455, 315], 560, 420, '#fff1cf', 0.3),
  )
  return sheet.toString()
}

function drawSofa(sheet: Sheet): void {
  const fabric = ['#7f97a3', '#5f7885', '#455a66']
  sheet.add(
    `<rect x="505" y="436" width="390" height="120" rx="26" fill="${sheet.shade(fabric)}"/>`,
    `<rect x="478" y="470" width="70" height="130" rx="24" fill="${sheet.shade(fabric)}"/>`,
    `<rect x="852" y="470" width="70" height="130" rx="24" fill="${sheet.shade(fabric)}"/>`,
    `<rect x="530" y="515" width="172" height="56" rx="18" fill="${sheet.shade(['#93abb6', '#688391'])}"/>`,
    `<rect x="700" y="515" width="172" height="56" rx="18" fill="${sheet.shade(['#93abb6', '#688391'])}"/>`,
    rect(510, 562, 380, 36, sheet.shade(['#516873', '#33444d'])),
    rect(505, 598, 9, 20, '#2d1d12'),
    rect(888, 598, 9, 20, '#2d1d12'),
    cushion(sheet, 545, 452, 78, 76, ['#e9b872', '#c98a3f'], -9),
    cushion(sheet, 606, 462, 68, 66, ['#f4ecdf', '#d3c4ae'], 7),
    cushion(sheet, 780, 454, 76, 74, ['#c7775a', '#934a33'], 8),
    `<path d="M860 470 q46 -6 52 12 l6 92 q-30 14 -52 2z" fill="${sheet.shade(['#f3e6d2', '#d9c4a4'])}"/>`,
    many(7, (index) => stroke(`M${866 + index * 7.5} 574 v16`, '#d9c4a4', 3)),
  )
}

/** A white kitchen with an island. */
export function kitchen(): string {
  const sheet = new Sheet()
  drawRoom(sheet, {
    left: 250,
    top: 140,
    right: 970,
    bottom: 520,
    wall: ['#f3f1ec', '#e6e3dc', '#d6d1c7'],
    leftWall: ['#c5c4bf', '#eceae5'],
    rightWall: ['#e4e1da', '#b9b4a9'],
    ceiling: ['#dddbd6', '#fbfaf8'],
    floor: ['#cfc8bd', '#b9b0a3', '#8d8478'],
    joints: '#7f776b',
  })
  const tiles = many(8, (row) =>
    many(25, (column) =>
      rect(
        254 + column * 29 - (row % 2) * 14,
        296 + row * 13,
        27,
        11,
        sheet.shade(['#fbfbf8', '#e3e6e3']),
        'opacity=".95"',
      ),
    ),
  )
  sheet.add(
    rect(250, 292, 720, 110, '#c9cbc7'),
    `<svg x="250" y="292" width="720" height="110" viewBox="250 292 720 110">${tiles}</svg>`,
  )
  drawWindow(sheet, 505, 190, 210, 175, 2)
  const door = (x: number, y: number, width: number, height: number): string =>
    rect(x, y, width, height, sheet.shade(['#3f5a61', '#2d454c'])) +
    rect(x + 7, y + 7, width - 14, height - 14, 'none', 'stroke="#57747b" stroke-width="2"') +
    rect(x + width - 16, y + height / 2 - 14, 4, 28, '#d8b06a')
  sheet.add(
    many(3, (index) => door(254 + index * 78, 160, 75, 118)),
    many(3, (index) => door(738 + index * 78, 160, 75, 118)),
    rect(250, 278, 236, 8, '#000', 'opacity=".2"'),
    rect(736, 278, 234, 8, '#000', 'opacity=".2"'),
    sheet.glow([370, 300], 170, 90, '#ffe7b5', 0.5),
    sheet.glow([850, 300], 170, 90, '#ffe7b5', 0.5),
    many(9, (index) => door(252 + index * 80, 412, 77, 100)),
    rect(244, 398, 732, 14, sheet.shade(['#fdfcfa', '#c7c2b9'])),
    rect(244, 412, 732, 6, '#000', 'opacity=".3"'),
    stroke('M588 398 v-44 q0 -22 22 -22 q22 0 22 18 v8', '#c9ccce', 7, 'stroke-linecap="round"'),
    rect(800, 366, 36, 32, '#e7e1d3'),
    disc(818, 358, 14, '#8ba06a'),
    disc(810, 350, 10, '#9fb57c'),
    disc(828, 350, 9, '#738b55'),
    rect(296, 352, 18, 46, '#caa06c'),
    rect(320, 362, 15, 36, '#8f5b3a'),
    rect(340, 358, 16, 40, '#e6ddcd'),
  )
  drawIsland(sheet)
  for (const x of [440, 610, 780]) lamp(sheet, [x, 40], 130, 34)
  sheet.add(sheet.glow([610, 290], 480, 330, '#fff5db', 0.35))
  return sheet.toString()
}

function drawIsland(sheet: Sheet): void {
  sheet.add(
    sheet.glow([610, 742], 480, 50, '#1a1510', 0.6),
    shape(
      [
        [290, 560],
        [930, 560],
        [960, 735],
        [260, 735],
      ],
      sheet.shade(['#f4f2ed', '#dad5cb', '#b6afa2']),
    ),
    many(4, (index) => stroke(`M${410 + index * 133} 566 L${400 + index * 140} 730`, '#a49c8e', 2)),
    shape(
      [
        [330, 520],
        [890, 520],
        [985, 556],
        [235, 556],
      ],
      sheet.shade(['#ffffff', '#eeeae2']),
    ),
    shape(
      [
        [235, 556],
        [985, 556],
        [985, 574],
        [235, 574],
      ],
      sheet.shade(['#d8d2c6', '#a9a294']),
    ),
    stroke('M420 530 q80 12 130 4 t150 12 t150 -6', '#b9b6b0', 2, 'opacity=".7"'),
    stroke('M330 545 q120 -12 210 0 t260 -6', '#c5c1ba', 1.6, 'opacity=".7"'),
    shape(
      [
        [235, 574],
        [985, 574],
        [975, 590],
        [245, 590],
      ],
      '#000',
      'opacity=".18"',
    ),
    `<path d="M545 532 q65 36 130 0 q-8 34 -65 34 t-65 -34z" fill="${sheet.shade(['#b98453', '#7c5130'])}"/>`,
    disc(575, 528, 15, '#e6a33c'),
    disc(602, 522, 16, '#d9662f'),
    disc(632, 526, 15, '#9fb23f'),
    disc(655, 530, 12, '#e6b23c'),
    `<ellipse cx="600" cy="518" rx="4" ry="2" fill="#fff" opacity=".6"/>`,
  )
  for (const x of [345, 525, 705, 880])
    sheet.add(
      sheet.glow([x, 782], 80, 16, '#000', 0.5),
      stroke(
        `M${x - 30} 660 L${x - 40} 782 M${x + 30} 660 L${x + 40} 782 M${x - 36} 735 H${x + 36}`,
        '#2b2521',
        6,
        'stroke-linecap="round"',
      ),
      `<ellipse cx="${x}" cy="652" rx="48" ry="15" fill="${sheet.shade(['#d6a772', '#96653a'])}"/>`,
    )
}

/** A bedroom in the evening: taken upright. */
export function bedroom(): string {
  const sheet = new Sheet()
  drawRoom(sheet, {
    left: 240,
    top: 150,
    right: 960,
    bottom: 530,
    wall: ['#56657a', '#46566a', '#3a4758'],
    leftWall: ['#28323f', '#49586b'],
    rightWall: ['#45536a', '#252e3a'],
    ceiling: ['#7d838c', '#b9bcc0'],
    floor: ['#8a6a4c', '#6b4d34', '#452f1f'],
    joints: '#2b1b10',
  })
  sheet.add(
    many(6, (index) =>
      rect(282 + index * 110, 190, 90, 300, 'none', 'stroke="#6b7b90" stroke-width="3" opacity=".55"'),
    ),
    picture(sheet, 535, 185, 130, 96, ['#f2c9a0', '#e59a7b', '#7d6a86']),
    sheet.glow([355, 360], 220, 260, '#ffcb85', 0.75),
    sheet.glow([845, 360], 220, 260, '#ffcb85', 0.75),
    rect(385, 330, 430, 190, sheet.shade(['#cdb59a', '#a2876a'])),
    many(11, (index) => rect(385 + index * 39.2, 330, 2, 190, '#7c6248', 'opacity=".6"')),
    sheet.glow([600, 760], 470, 60, '#0d0805', 0.75),
    shape(
      [
        [400, 470],
        [800, 470],
        [900, 690],
        [300, 690],
      ],
      sheet.shade(['#fbf8f3', '#ece5da', '#d8cdbd']),
    ),
    shape(
      [
        [300, 690],
        [900, 690],
        [890, 750],
        [310, 750],
      ],
      sheet.shade(['#cfc3b2', '#9d9080']),
    ),
    shape(
      [
        [352, 575],
        [848, 575],
        [905, 705],
        [295, 705],
      ],
      sheet.shade(['#c78d6b', '#a9694b', '#8a5038']),
    ),
    shape(
      [
        [295, 705],
        [905, 705],
        [900, 760],
        [300, 760],
      ],
      sheet.shade(['#8a5038', '#5e3424']),
    ),
    many(9, (index) =>
      stroke(
        `M${370 + index * 58} 578 Q${352 + index * 63} 640 ${330 + index * 68} 704`,
        '#6d3b28',
        2,
        'opacity=".35"',
      ),
    ),
    stroke('M352 575 Q600 590 848 575', '#f6ece0', 16, 'stroke-linecap="round"'),
    cushion(sheet, 420, 428, 165, 78, ['#ffffff', '#dcd5ca'], -2),
    cushion(sheet, 615, 428, 165, 78, ['#ffffff', '#dcd5ca'], 2),
    cushion(sheet, 455, 462, 130, 62, ['#e9d9c3', '#bfa78a'], -3),
    cushion(sheet, 612, 462, 130, 62, ['#e9d9c3', '#bfa78a'], 3),
    cushion(sheet, 545, 482, 108, 50, ['#6c8598', '#3f5666'], 0),
  )
  for (const x of [320, 880])
    sheet.add(
      sheet.glow([x, 596], 80, 16, '#000', 0.6),
      rect(x - 48, 480, 96, 112, sheet.shade(['#a97d52', '#6e4a2c'])),
      rect(x - 42, 500, 84, 34, 'none', 'stroke="#50331c" stroke-width="2"'),
      disc(x, 517, 4, '#e8c88c'),
      rect(x - 5, 430, 10, 50, '#d9b26f'),
      shape(
        [
          [x - 26, 374],
          [x + 26, 374],
          [x + 42, 432],
          [x - 42, 432],
        ],
        sheet.shade(['#fff6dc', '#ffdc97']),
      ),
      sheet.glow([x, 410], 150, 140, '#ffe1a1', 0.85),
    )
  plant(sheet, [1060, 640], 120, 51)
  sheet.add(
    shape(
      [
        [0, 120],
        [120, 190],
        [120, 560],
        [0, 690],
      ],
      sheet.shade(['#1d2a4a', '#46507e', '#c98a80']),
    ),
    many(3, (index) =>
      shape(
        [
          [index * 55, 128 + index * 26],
          [index * 55 + 6, 132 + index * 26],
          [index * 55 + 6, 690 - index * 58],
          [index * 55, 694 - index * 58],
        ],
        '#d8d4cc',
      ),
    ),
    shape(
      [
        [0, 330],
        [120, 350],
        [120, 356],
        [0, 338],
      ],
      '#d8d4cc',
    ),
    sheet.glow([60, 380], 190, 330, '#a9b5e6', 0.28),
  )
  return sheet.toString()
}

/** A bathroom, higher than wide. */
export function bathroom(): string {
  const sheet = new Sheet(800, 1200)
  drawRoom(sheet, {
    left: 150,
    top: 200,
    right: 650,
    bottom: 800,
    wall: ['#e6ece9', '#d4dedb', '#bccac7'],
    leftWall: ['#a4b5b2', '#dde6e3'],
    rightWall: ['#cfdad7', '#93a5a2'],
    ceiling: ['#e4e6e4', '#fbfcfb'],
    floor: ['#d9d4ca', '#bdb6aa', '#8a8377'],
    joints: '#8d867a',
    width: 800,
    height: 1200,
  })
  sheet.add(
    many(15, (row) =>
      many(10, (column) =>
        rect(
          152 + column * 50,
          500 + row * 20,
          48,
          18,
          sheet.shade(['#5d8a87', '#3f6b69']),
          `opacity="${(0.8 + ((row * 7 + column * 3) % 5) * 0.04).toFixed(2)}"`,
        ),
      ),
    ),
    rect(150, 492, 500, 8, '#eef2f0'),
  )
  drawWindow(sheet, 290, 240, 220, 200, 2)
  sheet.add(
    sheet.glow([400, 985], 380, 50, '#1b1a17', 0.6),
    `<path d="M130 720 Q130 700 160 700 H640 Q670 700 670 720 Q668 940 560 965 H240 Q132 940 130 720z" fill="${sheet.shade(['#ffffff', '#eceff0', '#bcc4c6'])}"/>`,
    `<ellipse cx="400" cy="716" rx="268" ry="26" fill="#f8fafa"/>`,
    `<ellipse cx="400" cy="720" rx="250" ry="20" fill="${sheet.shade(['#9fc0c6', '#d6e8ea'])}"/>`,
    many(16, (index) =>
      disc(
        250 + ((index * 83) % 300),
        712 + ((index * 29) % 16),
        9 + ((index * 5) % 9),
        '#ffffff',
        'opacity=".85"',
      ),
    ),
    sheet.glow([330, 800], 150, 110, '#fff', 0.75),
    rect(215, 955, 34, 26, '#b98b52'),
    rect(551, 955, 34, 26, '#b98b52'),
    stroke('M400 690 V590 Q400 560 430 560 H452', '#c9a467', 12, 'stroke-linecap="round"'),
    stroke('M452 556 v24', '#b18d52', 14),
    disc(375, 610, 13, '#d8b478'),
    disc(425, 610, 13, '#d8b478'),
    shape(
      [
        [40, 700],
        [118, 690],
        [118, 1000],
        [40, 1060],
      ],
      sheet.shade(['#b78a58', '#7d5833']),
    ),
    many(4, (index) =>
      rect(44, 560 + index * 34, 78, 30, index % 2 === 0 ? '#f6f1e8' : '#d88f6c', 'rx="10"'),
    ),
    `<path d="M590 705 q60 -14 74 8 l10 190 q-40 22 -78 4z" fill="${sheet.shade(['#f7efe2', '#dcc9ad'])}"/>`,
    many(5, (index) => rect(598, 850 + index * 9, 74, 3, '#c98f6a', 'opacity=".7"')),
    `<ellipse cx="400" cy="1080" rx="240" ry="52" fill="${sheet.shade(['#f3ece0', '#d8cab3'])}"/>`,
    many(
      6,
      (index) =>
        `<ellipse cx="400" cy="1080" rx="${226 - index * 34}" ry="${48 - index * 7}" fill="none" stroke="#bda98a" stroke-width="2" opacity=".5"/>`,
    ),
  )
  plant(sheet, [706, 1010], 150, 61)
  lamp(sheet, [400, 40], 120, 40)
  sheet.add(sheet.glow([400, 340], 420, 460, '#fffbe9', 0.42))
  return sheet.toString()
}
