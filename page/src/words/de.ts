import type { Words } from './en.ts'

const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`

export const de: Words = {
  language: 'Deutsch',
  product: 'Workflow Coordinator',
  nav: {
    label: 'Seiten',
    waiting: 'Wartet auf dich',
    jobs: 'Aufträge',
    newFilm: 'Neuer Film',
    overview: 'Übersicht',
    settings: 'Einstellungen',
    api: 'API-Referenz',
  },
  session: {
    title: 'Anmelden',
    about:
      'Gib einen Zugangsschlüssel dieses Servers ein. Der Browser speichert ihn nicht: Ein Cookie, das kein Skript lesen kann, steht für ihn.',
    key: 'Zugangsschlüssel',
    signIn: 'Anmelden',
    signOut: 'Abmelden',
    as: (name) => `Angemeldet als ${name}`,
    ended: 'Deine Sitzung ist zu Ende. Melde dich wieder an.',
  },
  connection: {
    lost: 'Keine Verbindung zum Server. Was du siehst, ist vielleicht alt; es wird erneuert, sobald er antwortet.',
  },
  title: (page, waiting) => `${waiting > 0 ? `(${waiting}) ` : ''}${page} · Workflow Coordinator`,
  notFound: 'Unter dieser Adresse ist nichts.',
  failed: 'Das konnte nicht gelesen werden',
  again: 'Noch einmal',
  loading: 'Lädt',
  waiting: {
    empty: 'Nichts wartet auf dich.',
    emptyNext: 'Mach einen Film aus Fotos, dann wartet er hier, bis du seine Kosten freigibst.',
    needsApproval: 'Braucht deine Freigabe',
    until: (when) => `bis ${when}`,
    of: (client) => `für ${client}`,
    open: 'Öffnen',
  },
  status: {
    pending: 'Wartet',
    approved: 'Freigegeben',
    processing: 'Wird gerendert',
    completed: 'Fertig',
    failed: 'Fehlgeschlagen',
    cancelled: 'Abgebrochen',
  },
  sceneStatus: {
    pending: 'Nicht gerendert',
    processing: 'Wird gerendert',
    completed: 'Fertig',
    failed: 'Fehlgeschlagen',
    cancelled: 'Abgebrochen',
  },
  job: {
    scenes: 'Szenen',
    sceneName: (number, title) => (title === null ? `Szene ${number}` : `${number} ${title}`),
    sendBack: 'Zurückgeben',
    whatToChange: 'Was soll anders werden?',
    sentBack: (by, note) => `Zurückgegeben${by === '' ? '' : ` von ${by}`}: ${note}`,
  },
  player: {
    preview: 'Vorschau abspielen',
    pause: 'Anhalten',
    isPreview: 'Kostenlose Vorschau: Ausschnitt, Titel und Zeiten wie im Film',
  },
  costs: { toPay: 'Freizugeben', spent: 'Ausgegeben', reserved: 'Reserviert' },
  seconds: (seconds) => `${Number(seconds.toFixed(1)).toLocaleString('de')} s`,
  scenes: (count) => counted(count, 'Szene', 'Szenen'),
  jobs: (count) => counted(count, 'Auftrag', 'Aufträge'),
  approve: (sum) => (sum === null ? 'Unbekannte Kosten freigeben' : `${sum} freigeben`),
  free: 'Kostenlos',
  unknownPrice: 'Preis unbekannt',
}
