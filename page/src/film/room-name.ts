/** What a file's name says about the room on the photograph. */

/** How cameras, phones and programs name files. */
const machineNames =
  /^(?:img|imgp|dsc|dscf|dscn|dji|gopr|gp|gh|pxl|mvimg|p|pano|burst|image|images|photo|photos|picture|foto|fotos|bild|screenshot|screen shot|bildschirmfoto|scan|unnamed|untitled|download|whatsapp|signal|telegram)(?: (?:image|photo|pano|hdr|edited|copy|kopie|at|um|am|von|from|[a-z]?\d+\w*))*$/

/** The room in a file's name: `02-living_room.jpg` is `Living room`, `IMG_2041.jpg` none. */
export function roomIn(name: string): string | undefined {
  const words = name
    .replace(/\.[^.]*$/, '')
    .replaceAll(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .toLowerCase()
    .replaceAll(/\((?:\d+|copy|kopie)\)/g, ' ')
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '')
  // `P1000123`, `IMG2041` and `20240501` are counted by a machine.
  const text = words.map((word) => word.replace(/^([a-z]{1,5})\d{3,}\w*$/, '$1 0')).join(' ')
  if (machineNames.test(text)) return undefined
  const room = words
    .join(' ')
    .replace(/ (?:copy|kopie)$/, '')
    .replace(/^(?:\d+ )+/, '')
    .replace(/(?: \d+)+$/, '')
    .trim()
    .slice(0, 60)
  // Letters that a person wrote: neither digits alone nor a hash.
  if (!/\p{L}{2}/u.test(room) || /\d\w*\d\w*\d/.test(room)) return undefined
  return room.charAt(0).toLocaleUpperCase() + room.slice(1)
}
