/** A paid render of which nobody knows whether the provider accepted it. */
import { Suspense, lazy, useState } from 'react'
import { Link } from '../router.tsx'
import { Button } from '../ui/button.tsx'
import { Time, useMoney } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'
import type { HeldRender } from './decision.tsx'
import { Item } from './item.tsx'

const Decision = lazy(() => import('./decision.tsx').then(({ Decision: part }) => ({ default: part })))

export function Held({ render, again }: { readonly render: HeldRender; readonly again: () => void }) {
  const words = useWords()
  const money = useMoney()
  const [isAsked, setAsked] = useState(false)
  return (
    <>
      <Item
        picture={`/api/v3/jobs/${render.job_id}/scenes/${render.scene_id}/frame`}
        title={
          <>
            <Link to={`/jobs/${render.job_id}`}>{render.video_name}</Link>{' '}
            <span className="quiet">{words.job.sceneName(render.position + 1, render.title)}</span>
          </>
        }
        about={
          <>
            {render.client_id !== null && <span>{words.waiting.of(render.client_id)}</span>}
            <span>{words.waiting.heldAbout(render.model)}</span>
            <Time at={render.held_since} />
          </>
        }
        sum={money(render.cost)}
        actions={<Button onClick={() => setAsked(true)}>{words.waiting.decide}</Button>}
      />
      <Suspense>
        {isAsked && <Decision render={render} onClose={() => setAsked(false)} onDone={again} />}
      </Suspense>
    </>
  )
}
