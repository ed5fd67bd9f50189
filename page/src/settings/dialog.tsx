/** Dialogs of the settings: forms, questions before something ends, and secrets. */
import { Dialog } from '@base-ui/react/dialog'
import type { ReactNode } from 'react'
import type { Action } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { useWords } from '../words/words.tsx'

interface SheetProps {
  readonly title: string
  /** Escape does it, too; a press beside the dialog does not. Undefined: only what is in it closes it. */
  readonly onClose?: (() => void) | undefined
  readonly children: ReactNode
}

export const Sheet = ({ title, onClose, children }: SheetProps) => (
  <Dialog.Root open disablePointerDismissal onOpenChange={(isOpen) => isOpen || onClose?.()}>
    <Dialog.Portal>
      <Dialog.Backdrop className="backdrop" />
      <Dialog.Popup className="settings-sheet">
        <Dialog.Title className="settings-sheet-title">{title}</Dialog.Title>
        {children}
      </Dialog.Popup>
    </Dialog.Portal>
  </Dialog.Root>
)

interface QuestionProps {
  readonly title: string
  /** What answers yes. */
  readonly yes: string
  readonly action: Pick<Action<readonly []>, 'isRunning' | 'error' | 'run'>
  readonly onClose: () => void
  readonly children: ReactNode
}

/** Asks before something ends that nobody can bring back. */
export function Question({ title, yes, action, onClose, children }: QuestionProps) {
  const words = useWords()
  return (
    <Sheet title={title} onClose={onClose}>
      {children}
      {action.error !== undefined && <Problem error={action.error} />}
      <div className="settings-sheet-foot">
        <Button onClick={onClose}>{words.settings.cancel}</Button>
        <Button
          kind="danger"
          disabled={action.isRunning}
          onClick={() => void action.run().then((isDone) => isDone && onClose())}
        >
          {yes}
        </Button>
      </div>
    </Sheet>
  )
}
