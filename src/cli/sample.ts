import { fileURLToPath } from 'node:url'

const files = ['exterior.jpg', 'living-room.jpg', 'kitchen.webp', 'bedroom.jpg', 'bathroom.jpg', 'garden.jpg']

/** Paths of the pictures that the demo shows where it gets none. The folder lies beside both src/ and dist/. */
export const samplePhotos: readonly string[] = files.map((file) =>
  fileURLToPath(new URL(`../../sample/${file}`, import.meta.url)),
)
