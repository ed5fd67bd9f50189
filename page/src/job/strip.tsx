/**
 * The film strip: each scene as it will look or looks, in the order of the film. Only the frames in sight exist. They are
 * moved by mouse, touch or keyboard.
 */
import {
  type Announcements,
  DndContext,
  KeyboardSensor,
  MouseSensor,
  TouchSensor,
  type UniqueIdentifier,
  closestCenter,
  useSensor,
  useSensors,
} from '@dnd-kit/core'
import {
  SortableContext,
  arrayMove,
  horizontalListSortingStrategy,
  sortableKeyboardCoordinates,
  useSortable,
} from '@dnd-kit/sortable'
import { defaultRangeExtractor, useVirtualizer } from '@tanstack/react-virtual'
import { type KeyboardEvent, type ReactNode, memo, useEffect, useMemo, useRef, useState } from 'react'
import type { SceneAnswer } from '../server/client.ts'
import { useWords } from '../words/words.tsx'
import type { Draft } from './draft.ts'
import { StripFrame, type StripFrameProps } from './strip-frame.tsx'

interface StripProps {
  readonly scenes: readonly SceneAnswer[]
  readonly shape: { readonly width: number; readonly height: number }
  readonly chosen: string | undefined
  /** Scenes that a kept clip serves. */
  readonly reused: ReadonlySet<string>
  readonly drafts: ReadonlyMap<string, Draft>
  readonly onChoose: (sceneId: string) => void
  /** Undefined: the order is fixed. */
  readonly onMove: ((sceneId: string, position: number) => Promise<boolean>) | undefined
  /** Stands behind the last frame. */
  readonly end?: ReactNode
}

/** CSS pixels; the picture of a frame is as high in every shape. */
const pictureHeight = 120
const gap = 12
const frameWidth = ({ width, height }: StripProps['shape']): number =>
  Math.round(Math.min(288, Math.max(160, (pictureHeight * width) / height))) + 12

/** The order on the page: that of the server, and after a drop that of the drop until the server has it. */
function useOrder(scenes: readonly SceneAnswer[]) {
  const order = useMemo(() => scenes.map(({ id }) => id).join(), [scenes])
  const [dropped, setDropped] = useState<readonly string[]>()
  useEffect(() => setDropped(undefined), [order])
  const ids = useMemo(() => dropped ?? (order === '' ? [] : order.split(',')), [dropped, order])
  return { ids, setDropped }
}

export function Strip({ scenes, shape, chosen, reused, drafts, onChoose, onMove, end }: StripProps) {
  const words = useWords()
  const scroller = useRef<HTMLDivElement>(null)
  const [dragged, setDragged] = useState<UniqueIdentifier>()
  const { ids, setDropped } = useOrder(scenes)
  const byId = useMemo(() => new Map(scenes.map((scene) => [scene.id, scene])), [scenes])
  const sortable = useMemo(() => [...ids], [ids])
  const width = frameWidth(shape)
  const draggedAt = ids.indexOf(String(dragged))
  const virtualizer = useVirtualizer({
    count: ids.length,
    horizontal: true,
    getScrollElement: () => scroller.current,
    estimateSize: () => width,
    gap,
    overscan: 3,
    paddingStart: gap,
    paddingEnd: gap,
    getItemKey: (index) => ids[index]!,
    // The dragged frame exists wherever it is dragged to.
    rangeExtractor: (range) => {
      const seen = defaultRangeExtractor(range)
      return draggedAt < 0 || seen.includes(draggedAt) ? seen : [...seen, draggedAt]
    },
  })
  const chosenAt = chosen === undefined ? -1 : ids.indexOf(chosen)
  useEffect(() => {
    if (chosenAt >= 0) virtualizer.scrollToIndex(chosenAt, { align: 'auto' })
  }, [virtualizer, chosenAt])
  const sensors = useSensors(
    useSensor(MouseSensor, { activationConstraint: { distance: 6 } }),
    useSensor(TouchSensor, { activationConstraint: { delay: 250, tolerance: 8 } }),
    useSensor(KeyboardSensor, { coordinateGetter: sortableKeyboardCoordinates }),
  )
  const nameOf = (id: UniqueIdentifier): string => {
    const scene = byId.get(String(id))
    return scene ? words.job.sceneName(scene.position + 1, scene.title) : ''
  }
  const placeOf = (id: UniqueIdentifier): number => ids.indexOf(String(id)) + 1
  const announcements: Announcements = {
    onDragStart: ({ active }) => words.storyboard.lifted(nameOf(active.id), placeOf(active.id), ids.length),
    onDragOver: ({ active, over }) => {
      if (!over) return undefined
      const tell = over.id === active.id ? words.storyboard.lifted : words.storyboard.over
      return tell(nameOf(active.id), placeOf(over.id), ids.length)
    },
    onDragEnd: ({ active, over }) =>
      words.storyboard.dropped(nameOf(active.id), placeOf(over?.id ?? active.id), ids.length),
    onDragCancel: ({ active }) => words.storyboard.back(nameOf(active.id)),
  }
  const drop = (id: string, onto: string | undefined): void => {
    setDragged(undefined)
    const [from, to] = [ids.indexOf(id), onto === undefined ? -1 : ids.indexOf(onto)]
    if (to < 0 || from === to || !onMove) return
    setDropped(arrayMove([...ids], from, to))
    void onMove(id, to).then((isDone) => isDone || setDropped(undefined))
  }
  const press = (event: KeyboardEvent): void => {
    if (dragged !== undefined || !(event.target instanceof HTMLElement)) return
    if (!event.target.closest('.strip-frame')) return
    const last = ids.length - 1
    const to = { ArrowLeft: chosenAt - 1, ArrowRight: chosenAt + 1, Home: 0, End: last }[event.key]
    const id = to === undefined ? undefined : ids[Math.min(last, Math.max(0, to))]
    if (id === undefined) return
    event.preventDefault()
    event.stopPropagation()
    virtualizer.scrollToIndex(ids.indexOf(id), { align: 'auto' })
    onChoose(id)
    // The frame may come into being only by the scrolling.
    requestAnimationFrame(() =>
      requestAnimationFrame(() =>
        scroller.current?.querySelector<HTMLElement>(`[data-scene="${id}"]`)?.focus(),
      ),
    )
  }
  return (
    <DndContext
      sensors={sensors}
      collisionDetection={closestCenter}
      accessibility={{ announcements, screenReaderInstructions: { draggable: words.storyboard.howToMove } }}
      onDragStart={({ active }) => setDragged(active.id)}
      onDragCancel={() => setDragged(undefined)}
      onDragEnd={({ active, over }) => drop(String(active.id), over ? String(over.id) : undefined)}
    >
      <SortableContext items={sortable} strategy={horizontalListSortingStrategy}>
        <div className="strip" ref={scroller} onKeyDown={press}>
          <ol
            className="strip-reel"
            aria-label={words.job.scenes}
            style={{ inlineSize: virtualizer.getTotalSize() }}
          >
            {virtualizer.getVirtualItems().map(({ key, index, start }) => {
              const scene = byId.get(ids[index]!)
              return (
                scene && (
                  <li
                    key={key}
                    className="strip-place"
                    aria-setsize={ids.length}
                    aria-posinset={index + 1}
                    style={{ insetInlineStart: start, inlineSize: width }}
                  >
                    <SortableFrame
                      scene={scene}
                      shape={`${shape.width} / ${shape.height}`}
                      isChosen={scene.id === chosen}
                      isReused={reused.has(scene.id)}
                      isDraft={drafts.has(scene.id)}
                      canMove={onMove !== undefined && ids.length > 1}
                      onChoose={onChoose}
                    />
                  </li>
                )
              )
            })}
          </ol>
          {end}
        </div>
      </SortableContext>
    </DndContext>
  )
}

const SortableFrame = memo(function SortableFrame({
  canMove,
  ...frame
}: StripFrameProps & { readonly canMove: boolean }) {
  const words = useWords()
  const { scene, isChosen } = frame
  const { attributes, listeners, setNodeRef, setActivatorNodeRef, transform, transition, isDragging } =
    useSortable({ id: scene.id, disabled: !canMove })
  // The keyboard lifts it by the grip, and chooses it by the frame.
  const { onKeyDown: _, ...pointers } = listeners ?? {}
  return (
    <div
      ref={setNodeRef}
      className="strip-sortable"
      data-dragging={isDragging}
      style={{
        transform: transform ? `translate(${transform.x}px, ${transform.y}px)` : undefined,
        transition,
      }}
      {...pointers}
    >
      <StripFrame {...frame} />
      {canMove && isChosen && (
        <button
          type="button"
          className="strip-grip"
          ref={setActivatorNodeRef}
          aria-label={words.storyboard.move(words.job.sceneName(scene.position + 1, scene.title))}
          aria-describedby={attributes['aria-describedby']}
          aria-roledescription={words.storyboard.movable}
          {...listeners}
        >
          <span aria-hidden="true">⠿</span>
        </button>
      )}
    </div>
  )
})
