/** Shows what to do when a part of the page fails, in the place of that part. */
import { Component, type ReactNode } from 'react'
import { useWords } from '../words/words.tsx'
import { Button } from './button.tsx'

interface Props {
  /** Another one: what failed may work. */
  readonly place: string
  readonly children: ReactNode
}

interface State {
  readonly error: unknown
  readonly place: string
}

export class Boundary extends Component<Props, State> {
  override state: State = { error: undefined, place: this.props.place }

  static getDerivedStateFromError(error: unknown): Partial<State> {
    return { error: error ?? new Error('unknown') }
  }

  static getDerivedStateFromProps({ place }: Props, state: State): Partial<State> | null {
    return place === state.place ? null : { place, error: undefined }
  }

  override render(): ReactNode {
    const { error } = this.state
    if (error === undefined) return this.props.children
    return <Failure error={error} />
  }
}

function Failure({ error }: { readonly error: unknown }) {
  const words = useWords()
  return (
    <div className="failure" role="alert">
      <h1>{words.failure.title}</h1>
      <p>{words.failure.what}</p>
      <p className="failure-actions">
        <Button kind="main" onClick={() => location.reload()}>
          {words.failure.load}
        </Button>
        <Button onClick={() => location.assign('/')}>{words.nav.waiting}</Button>
      </p>
      <details className="small quiet">
        <summary>{words.failure.details}</summary>
        <pre>{error instanceof Error ? (error.stack ?? error.message) : String(error)}</pre>
      </details>
    </div>
  )
}
