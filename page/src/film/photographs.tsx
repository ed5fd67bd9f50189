/** The photographs in the order of the film: moved by mouse, finger or keyboard. */
import {
  type Active,
  DndContext,
  type DragEndEvent,
  KeyboardSensor,
  MouseSensor,
  type Over,
  TouchSensor,
  closestCenter,
  useSensor,
  useSensors,
} from '@dnd-kit/core'
import {
  SortableContext,
  arrayMove,
  rectSortingStrategy,
  sortableKeyboardCoordinates,
  useSortable,
} from '@dnd-kit/sortable'
import { Button } from '../ui/button.tsx'
import { Icon } from '../ui/icon.tsx'
import { told } from '../ui/problem.tsx'
import { useWords } from '../words/words.tsx'
import type { Choices } from './choices.ts'
import { arrange, changePhotograph, choose, removePhotograph, uploadAgain } from './draft.ts'
import { type Photograph, isUnderWay, sameBefore } from './photograph.ts'

interface PhotographsProps {
  readonly photographs: readonly Photograph[]
  readonly choices: Choices
  readonly problems: ReadonlyMap<string, string>
}

export function Photographs({ photographs, choices, problems }: PhotographsProps) {
  const words = useWords().newFilm
  const sensors = useSensors(
    useSensor(MouseSensor, { activationConstraint: { distance: 5 } }),
    // A finger that moves at once scrolls.
    useSensor(TouchSensor, { activationConstraint: { delay: 200, tolerance: 8 } }),
    useSensor(KeyboardSensor, { coordinateGetter: sortableKeyboardCoordinates }),
  )
  const at = (id: unknown): number => photographs.findIndex((one) => one.id === id)
  const nameOf = ({ id }: Active | Over): string => photographs[at(id)]?.name ?? ''
  const drop = ({ active, over }: DragEndEvent): void => {
    if (!over || over.id === active.id) return
    arrange(arrayMove([...photographs], at(active.id), at(over.id)))
    choose({ photoOrder: 'given' })
  }
  return (
    <DndContext
      sensors={sensors}
      collisionDetection={closestCenter}
      onDragEnd={drop}
      accessibility={{
        screenReaderInstructions: { draggable: words.howToMove },
        announcements: {
          onDragStart: ({ active }) => words.picked(nameOf(active)),
          onDragOver: ({ active, over }) =>
            over ? words.over(nameOf(active), at(over.id) + 1, photographs.length) : undefined,
          onDragEnd: ({ active, over }) =>
            over ? words.dropped(nameOf(active), at(over.id) + 1) : words.putBack(nameOf(active)),
          onDragCancel: ({ active }) => words.putBack(nameOf(active)),
        },
      }}
    >
      <SortableContext items={photographs.map(({ id }) => id)} strategy={rectSortingStrategy}>
        <ol className="photographs" data-fit={choices.fit}>
          {photographs.map((photograph, index) => (
            <Card
              key={photograph.id}
              photograph={photograph}
              number={index + 1}
              count={photographs.length}
              sameAs={sameBefore(photographs, index)}
              choices={choices}
              problem={problems.get(`photograph-${photograph.id}`)}
              roomProblem={problems.get(`room-${photograph.id}`)}
            />
          ))}
        </ol>
      </SortableContext>
    </DndContext>
  )
}

interface CardProps {
  readonly photograph: Photograph
  readonly number: number
  readonly count: number
  readonly sameAs: number | undefined
  readonly choices: Choices
  readonly problem: string | undefined
  readonly roomProblem: string | undefined
}

function Card({ photograph, number, count, sameAs, choices, problem, roomProblem }: CardProps) {
  const all = useWords()
  const words = all.newFilm
  const { id, name, room, asset, url, state, error } = photograph
  const { attributes, listeners, setNodeRef, setActivatorNodeRef, transform, transition, isDragging } =
    useSortable({ id, attributes: { roleDescription: words.movable } })
  const isPair = choices.type === 'image_pairs'
  return (
    <li
      ref={setNodeRef}
      className="photograph"
      data-state={state}
      data-dragging={isDragging}
      style={{
        transform: transform ? `translate(${transform.x}px, ${transform.y}px)` : undefined,
        transition,
      }}
    >
      <button
        {...attributes}
        {...listeners}
        id={`film-photograph-${id}`}
        ref={setActivatorNodeRef}
        type="button"
        className="photograph-picture"
        aria-label={words.move(name, number, count)}
        style={{ aspectRatio: choices.shape.replace(':', ' / ') }}
      >
        {/* The server's picture is upright, and in a format that every browser shows. */}
        {(asset ?? url) !== undefined && (
          <img
            key={asset ?? 'own'}
            src={asset === undefined ? url : `/api/v3/assets/${asset}/picture`}
            alt=""
            loading="lazy"
            decoding="async"
            draggable={false}
            onError={({ currentTarget }) => currentTarget.classList.add('is-unshown')}
          />
        )}
        <span className="photograph-number">{number}</span>
      </button>
      <button
        type="button"
        className="photograph-remove"
        aria-label={words.remove(name)}
        onClick={() => removePhotograph(id)}
      >
        <Icon name="close" />
      </button>
      {isPair && number < count && (
        <span
          className="photograph-into"
          role="img"
          aria-label={words.into(number)}
          title={words.into(number)}
        >
          →
        </span>
      )}
      {isUnderWay(photograph) && <Progress photograph={photograph} />}
      {!isPair && (
        <input
          id={`film-room-${id}`}
          className="input"
          maxLength={60}
          aria-label={words.roomOf(name)}
          aria-invalid={roomProblem !== undefined}
          placeholder={words.room}
          title={name}
          value={room}
          onChange={({ target }) => changePhotograph(id, { room: target.value })}
        />
      )}
      {(roomProblem ?? problem) !== undefined && (
        <p className="field-problem small">{roomProblem ?? problem}</p>
      )}
      {sameAs !== undefined && <p className="photograph-same small">{words.same(sameAs)}</p>}
      {(state === 'failed' || state === 'lost') && (
        <div className="photograph-refusal small" role="alert">
          <p className="photograph-file">{name}</p>
          <p>{state === 'lost' ? words.lost : told(error, all)}</p>
          {state === 'failed' && (
            <Button onClick={() => uploadAgain([id])}>
              <Icon name="again" />
              {words.uploadAgain}
            </Button>
          )}
        </div>
      )}
    </li>
  )
}

function Progress({ photograph: { name, sent, bytes, state } }: { readonly photograph: Photograph }) {
  const words = useWords().newFilm
  // All bytes are there: the server reads the picture.
  const isSent = state === 'sending' && sent >= bytes
  return (
    <progress
      aria-label={words.uploading(name)}
      max={Math.max(1, bytes)}
      {...(!isSent && { value: state === 'waiting' ? 0 : sent })}
    />
  )
}
