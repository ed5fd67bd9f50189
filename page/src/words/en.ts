/** Every word of the page. `Words` is what another language must have, too. */
const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`

export const en = {
  language: 'English',
  product: 'Workflow Coordinator',
  nav: {
    label: 'Pages',
    waiting: 'Waiting for you',
    jobs: 'Jobs',
    newFilm: 'New film',
    overview: 'Overview',
    settings: 'Settings',
    api: 'API reference',
  },
  session: {
    title: 'Sign in',
    about:
      'Enter an access key of this server. It is not stored in this browser: a cookie that no script can read stands for it.',
    key: 'Access key',
    signIn: 'Sign in',
    signOut: 'Sign out',
    as: (name: string) => `Signed in as ${name}`,
    ended: 'Your session has ended. Sign in again.',
  },
  connection: {
    lost: 'No connection to the server. What you see may be old; it is updated as soon as the server answers.',
  },
  title: (page: string, waiting: number) =>
    `${waiting > 0 ? `(${waiting}) ` : ''}${page} · Workflow Coordinator`,
  notFound: 'There is nothing at this address.',
  failed: 'This could not be read',
  again: 'Try again',
  loading: 'Loading',
  waiting: {
    empty: 'Nothing waits for you.',
    emptyNext: 'Make a film from photographs, and it will wait here until you approve its cost.',
    needsApproval: 'Needs your approval',
    until: (when: string) => `until ${when}`,
    of: (client: string) => `for ${client}`,
    open: 'Open',
  },
  status: {
    pending: 'Pending',
    approved: 'Approved',
    processing: 'Rendering',
    completed: 'Completed',
    failed: 'Failed',
    cancelled: 'Cancelled',
  },
  sceneStatus: {
    pending: 'Not rendered',
    processing: 'Rendering',
    completed: 'Ready',
    failed: 'Failed',
    cancelled: 'Cancelled',
  },
  job: {
    scenes: 'Scenes',
    sceneName: (number: number, title: string | null) =>
      title === null ? `Scene ${number}` : `${number} ${title}`,
    sendBack: 'Send back',
    whatToChange: 'What should be changed?',
    sentBack: (by: string, note: string) => `Sent back${by === '' ? '' : ` by ${by}`}: ${note}`,
  },
  jobList: {
    search: 'Search by film',
    status: 'Status',
    allStatuses: 'Every status',
    client: 'Client',
    film: 'Film',
    progress: 'Progress',
    cost: 'Cost',
    made: 'Created',
    empty: 'No job matches.',
    choose: (name: string) => `Choose ${name}`,
    cancel: 'Cancel',
  },
  player: {
    preview: 'Play preview',
    pause: 'Pause',
    isPreview: 'Free preview: crop, titles and times as in the film',
  },
  costs: { toPay: 'To approve', spent: 'Spent', reserved: 'Reserved' },
  seconds: (seconds: number) => `${Number(seconds.toFixed(1))} s`,
  scenes: (count: number) => counted(count, 'scene', 'scenes'),
  jobs: (count: number) => counted(count, 'job', 'jobs'),
  approve: (sum: string | null) => (sum === null ? 'Approve an unknown cost' : `Approve ${sum}`),
  free: 'Free',
  unknownPrice: 'Unknown price',
}

export type Words = typeof en
