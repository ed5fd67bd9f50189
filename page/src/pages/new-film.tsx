/** From dropped photographs to a job that waits for approval. What it costs and when it is ready is known at every step. */
import {
  DndContext,
  KeyboardSensor,
  PointerSensor,
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
import { type ChangeEvent, type DragEvent, useDeferredValue, useEffect, useRef, useState } from 'react'
import { go } from '../router.tsx'
import { type EstimateAnswer, client } from '../server/client.ts'
import { useLive } from '../server/live.ts'
import { modelsSource } from '../server/sources.ts'
import { type Photograph, photographOf, roomIn, uploadAll } from '../server/upload.ts'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { useMoney } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'

const shapes = ['16:9', '9:16', '4:3', '3:4', '1:1', '21:9'] as const
const resolutions = ['360p', '480p', '720p', '1080p'] as const

interface Choices {
  readonly name: string
  readonly client: string
  readonly type: 'property_photos' | 'image_pairs'
  readonly model: string
  readonly seconds: number
  readonly shape: (typeof shapes)[number]
  readonly resolution: (typeof resolutions)[number]
}

const firstChoices: Choices = {
  name: '',
  client: '',
  type: 'property_photos',
  model: 'local',
  seconds: 5,
  shape: '16:9',
  resolution: '720p',
}

type JobRequest = Parameters<typeof client.createJob>[0]

/** Undefined until every photograph has arrived. */
function requestOf(photographs: readonly Photograph[], choices: Choices): JobRequest | undefined {
  const assets = photographs.flatMap(({ asset }) => (asset ? [asset.id] : []))
  const least = choices.type === 'image_pairs' ? 2 : 1
  if (assets.length < Math.max(least, photographs.length)) return undefined
  const parameters = {
    clip_duration: choices.seconds,
    aspect_ratio: choices.shape,
    resolution: choices.resolution,
    model: choices.model,
    ...(choices.client !== '' && { client_id: choices.client }),
  }
  const shared = choices.name === '' ? {} : { video_name: choices.name }
  if (choices.type === 'image_pairs')
    return { type: 'image_pairs', parameters: { ...parameters, images: assets }, ...shared }
  const photos = photographs.map(({ asset, file }) => {
    const room = roomIn(file.name)
    return { asset_id: asset!.id, ...(room !== undefined && { room }) }
  })
  return { type: 'property_photos', parameters: { ...parameters, photos }, ...shared }
}

export function NewFilm() {
  const words = useWords()
  const [photographs, setPhotographs] = useState<readonly Photograph[]>([])
  const [choices, setChoices] = useState(firstChoices)
  const change = (id: string, changed: Partial<Photograph>): void =>
    setPhotographs((all) => all.map((one) => (one.id === id ? { ...one, ...changed } : one)))
  const add = (files: Iterable<File>): void => {
    const added = [...files].map(photographOf)
    setPhotographs((all) => [...all, ...added])
    void uploadAll(added, change)
  }
  const remove = (id: string): void => setPhotographs((all) => all.filter((one) => one.id !== id))
  const request = requestOf(photographs, choices)
  const create = useAction(async () => {
    if (!request) return
    const { job_id } = await client.createJob(request)
    go(`/jobs/${job_id}`)
  })
  return (
    <div className="new-film">
      <h1>{words.nav.newFilm}</h1>
      <div className="new-film-main">
        <section>
          <DropZone onFiles={add} isSmall={photographs.length > 0} />
          <Photographs photographs={photographs} onOrder={setPhotographs} onRemove={remove} />
        </section>
        <aside className="card new-film-side">
          <ChoiceFields choices={choices} onChange={setChoices} />
          <Estimate request={request} />
          {create.error !== undefined && <Problem error={create.error} />}
          <Button
            kind="main"
            size="large"
            disabled={!request || create.isRunning}
            onClick={() => void create.run()}
          >
            {words.newFilm.create}
          </Button>
          <p className="small quiet">{words.newFilm.nothingSpent}</p>
        </aside>
      </div>
    </div>
  )
}

function DropZone({
  onFiles,
  isSmall,
}: {
  readonly onFiles: (files: Iterable<File>) => void
  readonly isSmall: boolean
}) {
  const words = useWords()
  const [isOver, setOver] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  const drop = (event: DragEvent): void => {
    event.preventDefault()
    setOver(false)
    onFiles(event.dataTransfer.files)
  }
  return (
    <div
      className="drop"
      data-over={isOver}
      data-small={isSmall}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <p>{words.newFilm.drop}</p>
      <Button onClick={() => input.current?.click()}>{words.newFilm.choose}</Button>
      <input
        ref={input}
        type="file"
        hidden
        multiple
        accept="image/*,.heic,.heif"
        aria-label={words.newFilm.choose}
        onChange={(event: ChangeEvent<HTMLInputElement>) => {
          onFiles(event.target.files ?? [])
          event.target.value = ''
        }}
      />
    </div>
  )
}

interface PhotographsProps {
  readonly photographs: readonly Photograph[]
  readonly onOrder: (photographs: readonly Photograph[]) => void
  readonly onRemove: (id: string) => void
}

function Photographs({ photographs, onOrder, onRemove }: PhotographsProps) {
  const sensors = useSensors(
    useSensor(PointerSensor, { activationConstraint: { distance: 5 } }),
    useSensor(KeyboardSensor, { coordinateGetter: sortableKeyboardCoordinates }),
  )
  const at = (id: unknown): number => photographs.findIndex((one) => one.id === id)
  return (
    <DndContext
      sensors={sensors}
      collisionDetection={closestCenter}
      onDragEnd={({ active, over }) => {
        if (over) onOrder(arrayMove([...photographs], at(active.id), at(over.id)))
      }}
    >
      <SortableContext items={photographs.map(({ id }) => id)} strategy={rectSortingStrategy}>
        <ol className="photographs">
          {photographs.map((photograph) => (
            <PhotographCard key={photograph.id} photograph={photograph} onRemove={onRemove} />
          ))}
        </ol>
      </SortableContext>
    </DndContext>
  )
}

function PhotographCard({
  photograph,
  onRemove,
}: {
  readonly photograph: Photograph
  readonly onRemove: (id: string) => void
}) {
  const words = useWords()
  const { id, file, url, asset, error } = photograph
  const { attributes, listeners, setNodeRef, transform, transition } = useSortable({ id })
  const moved = transform ? `translate(${transform.x}px, ${transform.y}px)` : undefined
  return (
    <li
      ref={setNodeRef}
      className="photograph"
      data-state={error !== undefined ? 'refused' : asset ? 'ready' : 'uploading'}
      style={{ transform: moved, transition }}
    >
      {/* The server's picture is upright and in a format that every browser shows. */}
      <img
        {...attributes}
        {...listeners}
        src={asset ? `/api/v3/assets/${asset.id}/picture` : url}
        alt={file.name}
        draggable={false}
      />
      <span className="small">{roomIn(file.name) ?? file.name}</span>
      {error !== undefined && <Problem error={error} />}
      <Button aria-label={words.newFilm.remove(file.name)} onClick={() => onRemove(id)}>
        ×
      </Button>
    </li>
  )
}

function ChoiceFields({
  choices,
  onChange,
}: {
  readonly choices: Choices
  readonly onChange: (choices: Choices) => void
}) {
  const words = useWords()
  const { data } = useLive(modelsSource)
  const set = <Name extends keyof Choices>(name: Name, value: Choices[Name]): void =>
    onChange({ ...choices, [name]: value })
  const select = <Name extends 'type' | 'model' | 'shape' | 'resolution'>(
    name: Name,
    options: readonly (readonly [Choices[Name], string])[],
  ) => (
    <div className="field">
      <label htmlFor={name}>{words.newFilm[name]}</label>
      <select
        id={name}
        className="input"
        value={choices[name]}
        onChange={(event) => {
          const chosen = options.find(([value]) => value === event.target.value)
          if (chosen) set(name, chosen[0])
        }}
      >
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </div>
  )
  return (
    <>
      <div className="field">
        <label htmlFor="name">{words.newFilm.name}</label>
        <input
          id="name"
          className="input"
          maxLength={200}
          value={choices.name}
          onChange={(event) => set('name', event.target.value)}
        />
      </div>
      <div className="field">
        <label htmlFor="client">{words.jobList.client}</label>
        <input
          id="client"
          className="input"
          maxLength={200}
          value={choices.client}
          onChange={(event) => set('client', event.target.value)}
        />
      </div>
      {select('type', [
        ['property_photos', words.newFilm.types.property_photos],
        ['image_pairs', words.newFilm.types.image_pairs],
      ])}
      {select(
        'model',
        (data?.models ?? [{ name: 'local' }]).map(({ name }) => [name, name] as const),
      )}
      {select(
        'shape',
        shapes.map((shape) => [shape, shape] as const),
      )}
      {select(
        'resolution',
        resolutions.map((resolution) => [resolution, resolution] as const),
      )}
      <div className="field">
        <label htmlFor="seconds">{words.newFilm.seconds}</label>
        <input
          id="seconds"
          type="number"
          min={1}
          max={60}
          className="input"
          value={choices.seconds}
          onChange={(event) => set('seconds', Number(event.target.value))}
        />
      </div>
    </>
  )
}

/** What the film would cost, and when it would be ready. */
function Estimate({ request }: { readonly request: JobRequest | undefined }) {
  const words = useWords()
  const money = useMoney()
  const wanted = useDeferredValue(request ? JSON.stringify(request) : undefined)
  const [estimate, setEstimate] = useState<EstimateAnswer>()
  const [error, setError] = useState<unknown>()
  useEffect(() => {
    if (wanted === undefined) {
      setEstimate(undefined)
      return undefined
    }
    const ended = new AbortController()
    const timer = setTimeout(() => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written above
      client.estimateJob(JSON.parse(wanted) as JobRequest, { signal: ended.signal }).then(
        (answer) => {
          setEstimate(answer)
          setError(undefined)
        },
        (refusal: unknown) => ended.signal.aborted || setError(refusal),
      )
    }, 200)
    return () => {
      clearTimeout(timer)
      ended.abort()
    }
  }, [wanted])
  if (error !== undefined) return <Problem error={error} />
  if (!estimate) return null
  return (
    <dl className="sums" aria-live="polite">
      <dt>{words.newFilm.cost}</dt>
      <dd className="sums-main">{money(estimate.estimated_cost)}</dd>
      <dt>{words.job.scenes}</dt>
      <dd>{estimate.total_scenes}</dd>
      <dt>{words.newFilm.length}</dt>
      <dd>{words.seconds(estimate.storyboard.total_duration)}</dd>
    </dl>
  )
}
