/** One thing that waits: what it is, what it costs, and what can be done at once. */
import type { ReactNode } from 'react'
import { Problem } from '../ui/problem.tsx'

interface ItemProps {
  /** Undefined: nothing is shown in its place. */
  readonly picture?: string | null
  readonly title: ReactNode
  readonly about: ReactNode
  readonly sum?: string
  readonly actions?: ReactNode
  readonly error?: unknown
}

export const Item = ({ picture, title, about, sum, actions, error }: ItemProps) => (
  <li className="waiting-item card">
    {picture !== undefined && (
      <span className="waiting-picture">
        {picture !== null && (
          <img
            src={picture}
            alt=""
            loading="lazy"
            decoding="async"
            width={96}
            height={54}
            onError={({ currentTarget }) => {
              currentTarget.hidden = true
            }}
          />
        )}
      </span>
    )}
    <div className="waiting-text">
      <p className="waiting-title">{title}</p>
      <p className="waiting-about quiet small">{about}</p>
      {error !== undefined && <Problem error={error} />}
    </div>
    {sum !== undefined && <strong className="waiting-sum">{sum}</strong>}
    <div className="waiting-actions">{actions}</div>
  </li>
)
