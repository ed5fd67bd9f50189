/** The controls on a phone, where the frame has no room for them. */
import { Button } from '../ui/button.tsx'
import { Sheet } from '../ui/sheet.tsx'
import { useWords } from '../words/words.tsx'
import { Controls } from './controls.tsx'

export function Menu({ onClose }: { readonly onClose: () => void }) {
  const words = useWords()
  return (
    <Sheet title={words.nav.menu} onClose={onClose}>
      <Controls />
      <Button onClick={onClose}>{words.close}</Button>
    </Sheet>
  )
}
