/** Two films of a job side by side, played together, with what differs between them. */
import { useRef, useState } from 'react'
import type { JobAnswer } from '../server/client.ts'
import type { FilmVersion } from '../server/sources.ts'
import { Button } from '../ui/button.tsx'
import { placeOf } from '../ui/times.tsx'
import { type Words, useWords } from '../words/words.tsx'
import { type Difference, type Placed, differencesOf } from './differences.ts'

interface ComparisonProps {
  readonly job: JobAnswer
  readonly shown: FilmVersion
  readonly other: FilmVersion
  readonly onClose: () => void
}

/** Further apart than this, the second player is set to the place of the first. */
const mostApartSeconds = 0.2

export function Comparison({ job, shown, other, onClose }: ComparisonProps) {
  const words = useWords()
  const first = useRef<HTMLVideoElement>(null)
  const second = useRef<HTMLVideoElement>(null)
  const [isPlaying, setPlaying] = useState(false)
  const [seconds, setSeconds] = useState(0)
  const { width, height } = job.storyboard.format
  const longest = Math.max(shown.duration, other.duration)
  const both = (): readonly HTMLVideoElement[] =>
    [first.current, second.current].filter((video) => video !== null)
  const toggle = (): void => {
    for (const video of both()) {
      if (isPlaying) video.pause()
      else if (!video.ended) video.play().catch(() => undefined)
    }
    setPlaying(!isPlaying)
  }
  const seek = (one: number, two = one): void => {
    if (first.current) first.current.currentTime = one
    if (second.current) second.current.currentTime = two
    setSeconds(one)
  }
  /** The first player leads. */
  const follow = (): void => {
    const [one, two] = [first.current, second.current]
    if (!one || !two) return
    setSeconds(one.currentTime)
    if (!one.paused && !two.ended && Math.abs(one.currentTime - two.currentTime) > mostApartSeconds)
      two.currentTime = one.currentTime
  }
  const end = (): void => {
    if (both().every(({ ended, paused }) => ended || paused)) setPlaying(false)
  }
  const player = (ref: typeof first, { version, url }: FilmVersion, isLeading: boolean) => (
    <figure>
      <figcaption className="small quiet">{words.versions.name(version)}</figcaption>
      <video
        ref={ref}
        src={url}
        muted
        playsInline
        preload="auto"
        style={{ aspectRatio: `${width} / ${height}` }}
        aria-label={words.versions.name(version)}
        onTimeUpdate={isLeading ? follow : undefined}
        onEnded={end}
      />
    </figure>
  )
  return (
    <section className="comparison" aria-label={words.versions.side(shown.version, other.version)}>
      <div className="comparison-films">
        {player(second, other, false)}
        {player(first, shown, true)}
      </div>
      <div className="comparison-bar">
        <Button onClick={toggle}>{isPlaying ? words.versions.pause : words.versions.play}</Button>
        <input
          type="range"
          aria-label={words.versions.position}
          aria-valuetext={placeOf(seconds)}
          min={0}
          max={longest}
          step={0.04}
          value={seconds}
          onChange={({ target }) => seek(target.valueAsNumber)}
        />
        <span className="small quiet comparison-place">
          {placeOf(seconds)} / {placeOf(longest)}
        </span>
        <Button onClick={onClose}>{words.versions.close}</Button>
      </div>
      <Differences
        shown={shown}
        other={other}
        onJump={({ one, other: there }) =>
          seek(one?.chapter.start ?? there!.chapter.start, there?.chapter.start ?? one!.chapter.start)
        }
      />
    </section>
  )
}

function Differences({
  shown,
  other,
  onJump,
}: Pick<ComparisonProps, 'shown' | 'other'> & { readonly onJump: (difference: Difference) => void }) {
  const words = useWords()
  const found = differencesOf(shown, other)
  if (!found) return <p className="small quiet">{words.versions.unknown}</p>
  const { differences, sames } = found
  return (
    <div>
      <h3>{words.versions.differences}</h3>
      {differences.length === 0 ? (
        <p className="small quiet">{words.versions.none}</p>
      ) : (
        <ul className="difference-list">
          {differences.map((difference) => {
            const name = nameOf(difference, words)
            return (
              <li key={difference.sceneId}>
                <button
                  type="button"
                  className="plan-value"
                  aria-label={words.versions.jump(name)}
                  onClick={() => onJump(difference)}
                >
                  {name}
                </button>
                : {whatDiffers(difference, { shown, other }, words)}
              </li>
            )
          })}
        </ul>
      )}
      {sames > 0 && differences.length > 0 && <p className="small quiet">{words.versions.sames(sames)}</p>}
    </div>
  )
}

const nameOf = ({ one, other }: Difference, words: Words): string => {
  const { number, chapter }: Placed = one ?? other!
  return words.job.sceneName(number, chapter.title)
}

function whatDiffers(
  { one, other, isAnew, isLonger, isMoved }: Difference,
  versions: Pick<ComparisonProps, 'shown' | 'other'>,
  words: Words,
): string {
  if (!one || !other) return words.versions.added(one ? versions.shown.version : versions.other.version)
  return [
    ...(isAnew ? [words.versions.anew] : []),
    ...(isLonger
      ? [words.versions.length(words.seconds(one.chapter.duration), words.seconds(other.chapter.duration))]
      : []),
    ...(isMoved ? [words.versions.moved(one.number, other.number)] : []),
  ].join(', ')
}
