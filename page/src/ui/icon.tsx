/** The few signs of the page, drawn with the colour of the text around them. */

const paths = {
  waiting: 'M4 13h4l1.5 3h5L16 13h4M4 13l2.5-7.5h11L20 13v5.5H4z',
  newFilm: 'M12 5v14M5 12h14',
  jobs: 'M5 7h14M5 12h14M5 17h14',
  overview: 'M5 19V11M12 19V5M19 19v-6',
  settings: 'M4 8h9M17 8h3M4 16h3M11 16h9M15 5.5v5M9 13.5v5',
  menu: 'M5 12h.01M12 12h.01M19 12h.01',
  search: 'M11 5a6 6 0 1 0 0 12a6 6 0 0 0 0-12M15.5 15.5L20 20',
  grip: 'M9 6h.01M9 12h.01M9 18h.01M15 6h.01M15 12h.01M15 18h.01',
  close: 'M6 6l12 12M18 6L6 18',
  again: 'M19 12a7 7 0 1 1-2.2-5.1M19 4v4h-4',
  photograph: 'M4 6h16v12H4zM4 15l4.5-4 4 3.5 3-2.5 4.5 4M15.5 9.5h.01',
} as const

export type IconName = keyof typeof paths

/** Says nothing by itself: what it stands beside has the words. */
export const Icon = ({ name }: { readonly name: IconName }) => (
  <svg className="icon" viewBox="0 0 24 24" width="18" height="18" aria-hidden="true" focusable="false">
    <path d={paths[name]} />
  </svg>
)
