/** The controls on a phone, where the frame has no room for them. */
import { Dialog } from '@base-ui/react/dialog'
import { Button } from '../ui/button.tsx'
import { useWords } from '../words/words.tsx'
import { Controls } from './controls.tsx'

export function Menu({ onClose }: { readonly onClose: () => void }) {
  const words = useWords()
  return (
    <Dialog.Root open onOpenChange={(isOpen) => isOpen || onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="dialog">
          <Dialog.Title className="dialog-title">{words.nav.menu}</Dialog.Title>
          <Controls />
          <Dialog.Close render={<Button />}>{words.close}</Dialog.Close>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
