/** The photographs of a scene, and those of the job: dragged onto the scene, or chosen from a menu. */
import { Menu } from '@base-ui/react/menu'
import {
  DndContext,
  MouseSensor,
  TouchSensor,
  useDraggable,
  useDroppable,
  useSensor,
  useSensors,
} from '@dnd-kit/core'
import { type DragEvent, useRef, useState, useSyncExternalStore } from 'react'
import { type JobAnswer, type SceneAnswer, client } from '../server/client.ts'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { useWords } from '../words/words.tsx'
import { usePicture } from './pictures.ts'

/** Uploaded here, and in no scene yet. They outlast the choice of another scene. */
const uploaded = new Map<number, readonly string[]>()
const nothing: readonly string[] = []
const watchers = new Set<() => void>()

function keepUploaded(jobId: number, assetId: string): void {
  const known = uploaded.get(jobId) ?? nothing
  if (!known.includes(assetId)) uploaded.set(jobId, [...known, assetId])
  for (const wake of watchers) wake()
}

const subscribe = (wake: () => void): (() => void) => {
  watchers.add(wake)
  return () => watchers.delete(wake)
}

const assetId = /^[0-9a-f]{64}$/

/** Every photograph that the job names, in its scenes or its request. */
export function photographsOf({ parameters }: Pick<JobAnswer, 'parameters'>, scenes: readonly SceneAnswer[]) {
  const requested = [parameters['photos'], parameters['images']]
    .flat(2)
    .map((one: unknown) =>
      typeof one === 'object' && one !== null && 'asset_id' in one ? one.asset_id : one,
    )
    .filter((one): one is string => typeof one === 'string' && assetId.test(one))
  return [...new Set([...scenes.flatMap(({ asset_ids }) => asset_ids), ...requested])]
}

function Picture({ id }: { readonly id: string }) {
  const { src, onSettled } = usePicture('photograph', `/api/v3/assets/${id}/picture`)
  return <img src={src} alt="" draggable={false} onLoad={onSettled} onError={onSettled} />
}

interface PhotographsProps {
  readonly job: JobAnswer
  readonly scenes: readonly SceneAnswer[]
  readonly assetIds: readonly string[]
  /** Undefined: they are only shown. */
  readonly set: ((assetIds: readonly string[]) => void) | undefined
  readonly onAdd: (assetId: string) => void
}

export function Photographs({ job, scenes, assetIds, set, onAdd }: PhotographsProps) {
  const words = useWords()
  const sensors = useSensors(
    useSensor(MouseSensor, { activationConstraint: { distance: 6 } }),
    useSensor(TouchSensor, { activationConstraint: { delay: 250, tolerance: 8 } }),
  )
  const [first = '', last] = assetIds
  if (!set)
    return (
      <ul className="scene-photographs" aria-label={words.scene.photographs}>
        {assetIds.map((id, index) => (
          <li key={`${index} ${id}`} className="photograph-slot">
            <Picture id={id} />
          </li>
        ))}
      </ul>
    )
  const put = (slot: unknown, id: string): void => {
    if (slot === 'first') set(last === undefined ? [id] : [id, last])
    else if (slot === 'last') set([first, id])
  }
  return (
    <DndContext
      sensors={sensors}
      accessibility={{ screenReaderInstructions: { draggable: words.scene.howToPlace } }}
      onDragEnd={({ active, over }) => put(over?.id, String(active.id))}
    >
      <div className="scene-photographs">
        <Slot slot="first" name={words.scene.firstImage} assetId={first} />
        <Slot slot="last" name={words.scene.lastImage} assetId={last} onRemove={() => set([first])} />
      </div>
      <Tray job={job} scenes={scenes} put={put} onAdd={onAdd} />
    </DndContext>
  )
}

interface SlotProps {
  readonly slot: 'first' | 'last'
  readonly name: string
  readonly assetId: string | undefined
  readonly onRemove?: () => void
}

function Slot({ slot, name, assetId: id, onRemove }: SlotProps) {
  const words = useWords()
  const { setNodeRef, isOver } = useDroppable({ id: slot })
  return (
    <div className="photograph-slot" ref={setNodeRef} data-over={isOver} data-empty={id === undefined}>
      {id !== undefined && <Picture id={id} />}
      <span className="small">{name}</span>
      {id !== undefined && onRemove && (
        <Button aria-label={words.newFilm.remove(name)} onClick={onRemove}>
          ×
        </Button>
      )}
    </div>
  )
}

function Tray({
  job,
  scenes,
  put,
  onAdd,
}: Pick<PhotographsProps, 'job' | 'scenes' | 'onAdd'> & {
  readonly put: (slot: 'first' | 'last', assetId: string) => void
}) {
  const words = useWords()
  const jobId = job.job_id
  const input = useRef<HTMLInputElement>(null)
  const [isOver, setOver] = useState(false)
  const own = useSyncExternalStore(subscribe, () => uploaded.get(jobId) ?? nothing)
  const ids = [...new Set([...photographsOf(job, scenes), ...own])]
  const upload = useAction(async (files: readonly File[]) => {
    for (const file of files) {
      const asset = await client.uploadAsset(new Uint8Array(await file.arrayBuffer()))
      keepUploaded(jobId, asset.id)
    }
  })
  const drop = (event: DragEvent): void => {
    event.preventDefault()
    setOver(false)
    void upload.run([...event.dataTransfer.files])
  }
  return (
    <div
      className="tray"
      data-over={isOver}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <div className="card-head">
        <h3>{words.scene.tray}</h3>
        <Button disabled={upload.isRunning} onClick={() => input.current?.click()}>
          {upload.isRunning ? words.scene.uploading : words.scene.upload}
        </Button>
        <input
          ref={input}
          type="file"
          hidden
          multiple
          accept="image/*,.heic,.heif"
          aria-label={words.scene.upload}
          onChange={({ target }) => {
            void upload.run([...(target.files ?? [])])
            target.value = ''
          }}
        />
      </div>
      <p className="small quiet">{words.scene.trayHint}</p>
      {upload.error !== undefined && <Problem error={upload.error} />}
      <ul className="tray-photographs">
        {ids.map((id, index) => (
          <li key={id}>
            <TrayPhotograph id={id} number={index + 1} put={put} onAdd={onAdd} />
          </li>
        ))}
      </ul>
    </div>
  )
}

function TrayPhotograph({
  id,
  number,
  put,
  onAdd,
}: {
  readonly id: string
  readonly number: number
  readonly put: (slot: 'first' | 'last', assetId: string) => void
  readonly onAdd: (assetId: string) => void
}) {
  const words = useWords()
  const { setNodeRef, listeners, transform, isDragging } = useDraggable({ id })
  return (
    <Menu.Root>
      <Menu.Trigger
        className="tray-photograph"
        ref={setNodeRef}
        aria-label={words.scene.photograph(number)}
        data-dragging={isDragging}
        style={{ transform: transform ? `translate(${transform.x}px, ${transform.y}px)` : undefined }}
        {...listeners}
      >
        <Picture id={id} />
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Positioner sideOffset={6} align="start" className="menu-place">
          <Menu.Popup className="menu">
            <Menu.Item className="menu-item" onClick={() => put('first', id)}>
              {words.scene.asFirst}
            </Menu.Item>
            <Menu.Item className="menu-item" onClick={() => put('last', id)}>
              {words.scene.asLast}
            </Menu.Item>
            <Menu.Item className="menu-item" onClick={() => onAdd(id)}>
              {words.scene.asNew}
            </Menu.Item>
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  )
}
