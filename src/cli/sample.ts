import { fileURLToPath } from 'node:url'

const files = ['exterior.jpg', 'living-room.jpg', 'kitchen.webp', 'bedroom.jpg', 'bathroom.jpg', 'garden.jpg']

/**
 * Paths of the pictures that `demo` uses where none are given. Their folder is beside both src/ and dist/.
 */
export const samplePhotos: readonly string[] = files.map((file) =>
  fileURLToPath(new URL(`../../sample/${file}`, import.meta.url)),
)
