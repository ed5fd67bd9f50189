/** Text to be copied: secrets and commands. */
import { useRef, useState } from 'react'
import { Button } from '../ui/button.tsx'
import { useWords } from '../words/words.tsx'

/** Over plain HTTP a browser has no clipboard for a page, but still copies what is selected. */
async function copy(text: string, field: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    getSelection()?.selectAllChildren(field)
    // oxlint-disable-next-line typescript/no-deprecated -- nothing else copies without HTTPS
    return document.execCommand('copy')
  }
}

interface CopiedProps {
  readonly text: string
  readonly label: string
  readonly action?: string
}

export function Copied({ text, label, action }: CopiedProps) {
  const words = useWords()
  const field = useRef<HTMLElement>(null)
  const [isCopied, setCopied] = useState<boolean>()
  return (
    <div className="settings-copied">
      <pre className="settings-copied-text" tabIndex={0} role="region" aria-label={label}>
        <code ref={field}>{text}</code>
      </pre>
      <div className="settings-copied-foot">
        <Button onClick={() => void copy(text, field.current!).then(setCopied)}>
          {action ?? words.settings.copy}
        </Button>
        <span role="status" className="small quiet">
          {isCopied === true && words.settings.copied}
          {isCopied === false && words.settings.notCopied}
        </span>
      </div>
    </div>
  )
}
