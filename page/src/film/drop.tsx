/** Takes photographs from anywhere on the page: dropped, pasted or chosen. */
import { type ChangeEvent, useEffect, useRef, useState } from 'react'
import { Button } from '../ui/button.tsx'
import { useCommands } from '../ui/commands.ts'
import { Icon } from '../ui/icon.tsx'
import { useWords } from '../words/words.tsx'
import { addFiles } from './draft.ts'
import { filesOf } from './files.ts'

const holdsFiles = ({ dataTransfer }: DragEvent): boolean => dataTransfer?.types.includes('Files') ?? false

/** Whether files are being dragged over the page. */
function useDrops(): boolean {
  const [isOver, setOver] = useState(false)
  useEffect(() => {
    const ended = new AbortController()
    const { signal } = ended
    const over = (event: DragEvent): void => {
      if (!holdsFiles(event)) return
      event.preventDefault()
      event.dataTransfer!.dropEffect = 'copy'
      setOver(true)
    }
    const leave = ({ relatedTarget }: DragEvent): void => {
      if (!relatedTarget) setOver(false)
    }
    const drop = (event: DragEvent): void => {
      setOver(false)
      if (!event.dataTransfer || !holdsFiles(event)) return
      event.preventDefault()
      void filesOf(event.dataTransfer).then(addFiles)
    }
    const paste = (event: ClipboardEvent): void => {
      if (!event.clipboardData || event.clipboardData.files.length === 0) return
      event.preventDefault()
      void filesOf(event.clipboardData).then(addFiles)
    }
    addEventListener('dragover', over, { signal })
    addEventListener('dragleave', leave, { signal })
    addEventListener('drop', drop, { signal })
    addEventListener('paste', paste, { signal })
    return () => ended.abort()
  }, [])
  return isOver
}

export function Drop({
  isFirst,
  problem,
}: {
  readonly isFirst: boolean
  readonly problem: string | undefined
}) {
  const words = useWords()
  const isOver = useDrops()
  const input = useRef<HTMLInputElement>(null)
  const choose = (): void => input.current?.click()
  useCommands([{ name: words.newFilm.choose, keys: 'c', run: choose }])
  return (
    <div className="drop" data-small={!isFirst} data-over={isOver}>
      {isFirst && <Icon name="photograph" />}
      <p className="drop-what">{isFirst ? words.newFilm.drop : words.newFilm.dropMore}</p>
      <Button
        id="film-photographs"
        kind={isFirst ? 'main' : 'plain'}
        aria-describedby={problem === undefined ? undefined : 'film-photographs-about'}
        onClick={choose}
      >
        {words.newFilm.choose}
      </Button>
      {isFirst && <p className="small quiet">{words.newFilm.formats}</p>}
      {problem !== undefined && (
        <p id="film-photographs-about" className="field-problem small">
          {problem}
        </p>
      )}
      <input
        ref={input}
        type="file"
        hidden
        multiple
        accept="image/jpeg,image/png,image/webp,image/avif,image/heic,image/heif,.heic,.heif"
        aria-label={words.newFilm.choose}
        onChange={({ target }: ChangeEvent<HTMLInputElement>) => {
          addFiles([...(target.files ?? [])])
          target.value = ''
        }}
      />
      {isOver && (
        <div className="drop-over" aria-hidden="true">
          {words.newFilm.dropNow}
        </div>
      )}
    </div>
  )
}
