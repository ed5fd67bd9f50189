/** The two decisions about a held render, each with what it costs. */
import { useState } from 'react'
import { type AttentionAnswer, client } from '../server/client.ts'
import { useAction } from '../ui/action.tsx'
import { Confirm } from '../ui/sheet.tsx'
import { useExactTime, useMoney } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'

export type HeldRender = AttentionAnswer['held']['renders'][number]

interface DecisionProps {
  readonly render: HeldRender
  readonly onClose: () => void
  readonly onDone: () => void
}

export function Decision({ render, onClose, onDone }: DecisionProps) {
  const words = useWords()
  const money = useMoney()
  const exact = useExactTime()
  const { candidates, cost, job_id, scene_id } = render
  const [isAdopted, setAdopted] = useState<boolean>()
  const [prediction, setPrediction] = useState(candidates[0]?.prediction_id ?? '')
  const sum = money(cost)
  const twice = money(cost === null ? null : 2 * cost)
  const decide = useAction(() =>
    client.resolveScene(
      job_id,
      scene_id,
      isAdopted === true
        ? { resolution: 'adopt', prediction_id: prediction.trim() }
        : { resolution: 'absent' },
    ),
  )
  const confirm = async (): Promise<void> => {
    if (isAdopted === undefined || !(await decide.run())) return
    onClose()
    onDone()
  }
  return (
    <Confirm
      isOpen
      onClose={onClose}
      title={words.waiting.heldTitle(render.video_name)}
      act={
        isAdopted === undefined
          ? words.waiting.decide
          : isAdopted
            ? words.waiting.adopt
            : words.waiting.absent(sum)
      }
      keep={words.waiting.later}
      kind={isAdopted === false ? 'danger' : 'main'}
      isRunning={decide.isRunning || isAdopted === undefined || (isAdopted && prediction.trim() === '')}
      error={decide.error}
      onConfirm={() => void confirm()}
    >
      <p className="quiet">
        {words.waiting.heldWhy(render.model, render.posted_at && exact(render.posted_at))}
      </p>
      {render.reason !== null && <p className="quiet small">{render.reason}</p>}
      <fieldset className="decision">
        <legend className="unseen">{words.waiting.decide}</legend>
        <label className="decision-choice">
          <input
            type="radio"
            name="decision"
            checked={isAdopted === true}
            onChange={() => setAdopted(true)}
          />
          <span>
            <strong>{words.waiting.adoptTitle}</strong>
            <span className="quiet small">{words.waiting.adoptAbout(sum)}</span>
          </span>
        </label>
        {isAdopted === true && (
          <div className="decision-more">
            {candidates.map(({ prediction_id, state, created_at }) => (
              <label key={prediction_id} className="decision-line">
                <input
                  type="radio"
                  name="candidate"
                  checked={prediction === prediction_id}
                  onChange={() => setPrediction(prediction_id)}
                />
                <code>{prediction_id}</code>
                <span className="quiet small">
                  {state}, {exact(created_at)}
                </span>
              </label>
            ))}
            <label className="field">
              <span className="small quiet">{words.waiting.prediction}</span>
              <input
                className="input"
                value={prediction}
                maxLength={100}
                onChange={({ target }) => setPrediction(target.value)}
              />
            </label>
          </div>
        )}
        <label className="decision-choice">
          <input
            type="radio"
            name="decision"
            checked={isAdopted === false}
            onChange={() => setAdopted(false)}
          />
          <span>
            <strong>{words.waiting.absentTitle}</strong>
            <span className="quiet small">{words.waiting.absentAbout(sum, twice)}</span>
          </span>
        </label>
      </fieldset>
    </Confirm>
  )
}
