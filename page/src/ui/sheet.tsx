/** Dialogs over the page: anything with a title, and questions before something that costs, ends or cannot be taken back. */
import { Dialog } from '@base-ui/react/dialog'
import type { ReactNode } from 'react'
import { Button } from './button.tsx'
import { Problem } from './problem.tsx'

interface SheetProps {
  readonly title: string
  /** Default: while it is part of the page. */
  readonly isOpen?: boolean
  /** Escape does it, too. Undefined: only what is in it closes it. */
  readonly onClose?: (() => void) | undefined
  /** Whether a press beside it leaves it open, such as one that holds what a person has written. */
  readonly stays?: boolean
  readonly children: ReactNode
}

export const Sheet = ({ title, isOpen = true, onClose, stays = false, children }: SheetProps) => (
  <Dialog.Root open={isOpen} disablePointerDismissal={stays} onOpenChange={(open) => open || onClose?.()}>
    <Dialog.Portal>
      <Dialog.Backdrop className="backdrop" />
      <Dialog.Popup className="sheet">
        <Dialog.Title className="sheet-title">{title}</Dialog.Title>
        {children}
      </Dialog.Popup>
    </Dialog.Portal>
  </Dialog.Root>
)

interface ConfirmProps extends Omit<SheetProps, 'onClose'> {
  readonly onClose: () => void
  /** What is on the button that does it. */
  readonly act: string
  readonly keep: string
  readonly kind?: 'main' | 'danger'
  readonly isRunning: boolean
  readonly error: unknown
  readonly onConfirm: () => void
}

export const Confirm = ({
  act,
  keep,
  kind = 'main',
  isRunning,
  error,
  onConfirm,
  children,
  ...sheet
}: ConfirmProps) => (
  <Sheet {...sheet}>
    <form
      className="sheet-form"
      onSubmit={(event) => {
        event.preventDefault()
        onConfirm()
      }}
    >
      {children}
      {error !== undefined && <Problem error={error} />}
      <div className="sheet-actions">
        <Button onClick={sheet.onClose}>{keep}</Button>
        <Button type="submit" kind={kind} disabled={isRunning}>
          {act}
        </Button>
      </div>
    </form>
  </Sheet>
)
