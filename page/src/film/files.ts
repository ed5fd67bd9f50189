/** The files in what was dropped or pasted, also those in folders. */

/** A folder with more is not one of photographs for a film. */
const mostFiles = 2000

const fileOf = (entry: FileSystemFileEntry): Promise<File | undefined> =>
  new Promise((resolve) => entry.file(resolve, () => resolve(undefined)))

const entriesOf = (reader: FileSystemDirectoryReader): Promise<readonly FileSystemEntry[]> =>
  new Promise((resolve) => reader.readEntries(resolve, () => resolve([])))

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile
const isFolder = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory

/** By name, `2.jpg` before `10.jpg`, as a person sees them in the folder. */
const byName = new Intl.Collator(undefined, { numeric: true })

async function filesIn(entry: FileSystemEntry, found: File[]): Promise<void> {
  if (found.length >= mostFiles) return
  if (isFile(entry)) {
    const file = await fileOf(entry)
    if (file) found.push(file)
  }
  if (!isFolder(entry)) return
  const reader = entry.createReader()
  const inside: FileSystemEntry[] = []
  // Each call answers some of them, and none at the end.
  for (let some = await entriesOf(reader); some.length > 0; some = await entriesOf(reader))
    inside.push(...some)
  // Names that begin with a point belong to the system.
  for (const one of inside.toSorted((a, b) => byName.compare(a.name, b.name)))
    if (!one.name.startsWith('.')) await filesIn(one, found)
}

export async function filesOf({ items, files }: DataTransfer): Promise<readonly File[]> {
  // Both lists are empty once the event is over.
  const direct = [...files]
  const entries = [...items].map((item) => item.webkitGetAsEntry?.() ?? null)
  if (!entries.some((entry) => entry?.isDirectory)) return direct
  const found: File[] = []
  for (const entry of entries) if (entry) await filesIn(entry, found)
  return found
}
