/** Asks before something ends that nobody can bring back. */
import type { ReactNode } from 'react'
import type { Action } from '../ui/action.tsx'
import { Confirm } from '../ui/sheet.tsx'
import { useWords } from '../words/words.tsx'

interface QuestionProps {
  readonly title: string
  /** What answers yes. */
  readonly yes: string
  readonly action: Pick<Action<readonly []>, 'isRunning' | 'error' | 'run'>
  readonly onClose: () => void
  readonly children: ReactNode
}

export const Question = ({ title, yes, action, onClose, children }: QuestionProps) => (
  <Confirm
    title={title}
    act={yes}
    keep={useWords().settings.cancel}
    kind="danger"
    isRunning={action.isRunning}
    error={action.error}
    onClose={onClose}
    onConfirm={() => void action.run().then((isDone) => isDone && onClose())}
  >
    {children}
  </Confirm>
)
