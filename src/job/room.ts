/** The order in which a viewer expects to see a property: arrive, be received, live, sleep, step out. */

const tour: readonly (readonly string[])[] = [
  ['aerial', 'drone'],
  ['exterior', 'facade', 'front', 'street', 'building'],
  ['entrance', 'entry', 'foyer', 'hallway', 'hall', 'lobby', 'porch'],
  ['living room', 'living', 'lounge', 'great room', 'sitting room', 'family room'],
  ['dining room', 'dining'],
  ['kitchen', 'pantry'],
  ['office', 'study', 'library', 'workspace'],
  ['primary bedroom', 'master bedroom', 'main bedroom'],
  ['bedroom', 'guest room', 'nursery', 'kids room'],
  ['primary bathroom', 'master bathroom', 'ensuite', 'en suite'],
  ['bathroom', 'shower', 'powder room', 'toilet', 'wc'],
  ['closet', 'wardrobe', 'dressing room', 'laundry', 'utility'],
  ['attic', 'loft', 'basement', 'cellar', 'gym', 'cinema', 'media room', 'game room'],
]
const steppingOut: readonly (readonly string[])[] = [
  ['balcony', 'terrace', 'patio', 'deck', 'veranda', 'roof'],
  ['garden', 'backyard', 'yard', 'pool', 'courtyard'],
  ['garage', 'parking', 'driveway'],
  ['view', 'neighborhood', 'neighbourhood', 'surroundings'],
  ['floor plan', 'floorplan', 'plan', 'map'],
]

/** Unknown rooms come after the known ones inside and before the outdoors. */
const unknownRank = tour.length

const ranks = new Map<string, number>([
  ...tour.flatMap((names, rank) => names.map((name) => [name, rank] as const)),
  ...steppingOut.flatMap((names, rank) => names.map((name) => [name, unknownRank + 1 + rank] as const)),
])

const words = (room: string): string[] =>
  room
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '')

/** Position of a room in the tour. Accepts names such as `living_room`, `Living Room 2` and `small kitchen`. */
export function roomRank(room: string | undefined): number {
  if (room === undefined) return unknownRank
  const spoken = words(room).filter((word) => !/^\d+$/.test(word))
  // The longest known name in it wins, and the last of equally long ones: "primary bedroom" before "bedroom".
  for (let length = spoken.length; length > 0; length--)
    for (let start = spoken.length - length; start >= 0; start--) {
      const rank = ranks.get(spoken.slice(start, start + length).join(' '))
      if (rank !== undefined) return rank
    }
  return unknownRank
}

/** The name of a room for titles: `living_room` becomes `Living room`. */
export function roomTitle(room: string): string {
  const title = room.replaceAll('_', ' ').trim()
  return title.charAt(0).toLocaleUpperCase('en') + title.slice(1)
}
