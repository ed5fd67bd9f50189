/** What scenes can be rendered by, what each takes, and what it costs. */
import { Fragment } from 'react'
import { type ModelsAnswer } from '../server/client.ts'
import { useLive } from '../server/live.ts'
import { modelsSource } from '../server/sources.ts'
import { Problem } from '../ui/problem.tsx'
import { useLanguage, useWords } from '../words/words.tsx'

type Model = ModelsAnswer['models'][number]
type Offer = Model['offers'][number]

export function Models() {
  const words = useWords()
  const { data, error, again } = useLive(modelsSource)
  if (!data) return error === undefined ? null : <Problem error={error} again={again} />
  const hasUnknown = data.models.some(({ offers }) => offers.some((offer) => !isPriced(offer)))
  return (
    <>
      <section className="card settings-part">
        <header className="settings-part-head">
          <p className="quiet">{words.settings.models.about}</p>
          <span className="badge">{words.settings.models.book(data.price_book)}</span>
        </header>
        <div
          className="settings-table-frame"
          tabIndex={0}
          role="region"
          aria-label={words.settings.models.table}
        >
          <table className="settings-table">
            <thead>
              <tr>
                {(['model', 'resolution', 'price', 'seconds', 'images', 'sound', 'shapes'] as const).map(
                  (column) => (
                    <th key={column} scope="col">
                      {words.settings.models[column]}
                    </th>
                  ),
                )}
              </tr>
            </thead>
            {data.models.map((model) => (
              <tbody key={model.name}>
                <ModelRows of={model} />
              </tbody>
            ))}
          </table>
        </div>
        {hasUnknown && <p className="note">{words.settings.models.unknownAbout}</p>}
      </section>
      {data.unavailable.length > 0 && (
        <section className="card settings-part">
          <h2>{words.settings.models.unavailable}</h2>
          <ul className="settings-entries">
            {data.unavailable.map(({ name, needs }) => (
              <li key={name} className="settings-entry">
                <div className="settings-entry-head">
                  <strong className="settings-entry-name">{name}</strong>
                  <span className="small quiet">{words.settings.models.needs(needs)}</span>
                </div>
              </li>
            ))}
          </ul>
        </section>
      )}
      <section className="card settings-part">
        <h2>{words.settings.models.prices}</h2>
        <p className="quiet settings-prose">{words.settings.models.pricesAbout}</p>
      </section>
    </>
  )
}

const isPriced = ({ usd_per_second, usd_per_clip }: Offer): boolean =>
  usd_per_second !== null || usd_per_clip !== null

function ModelRows({ of: { name, renderer, aspect_ratios: shapes, offers } }: { readonly of: Model }) {
  const words = useWords()
  const head = (rows: number) => (
    <th scope="rowgroup" rowSpan={rows}>
      <strong>{name}</strong>
      {name !== renderer && <span className="settings-table-note small quiet">{renderer}</span>}
    </th>
  )
  const shapeCell = (rows: number) => (
    <td rowSpan={rows}>{shapes?.join(', ') ?? words.settings.models.everyShape}</td>
  )
  if (offers.length === 0)
    return (
      <tr>
        {head(1)}
        <td>{words.settings.models.anyResolution}</td>
        <td>
          <span className="badge" data-tone="good">
            {words.free}
          </span>{' '}
          <span className="small quiet">{words.settings.models.here}</span>
        </td>
        <td>{words.settings.models.anyLength}</td>
        <td>{words.settings.models.twoImages}</td>
        <td>{words.settings.models.silent}</td>
        {shapeCell(1)}
      </tr>
    )
  return offers.map((offer, index) => (
    <tr key={`${offer.resolution} ${offer.audio} ${offer.seconds.join()}`}>
      {index === 0 && head(offers.length)}
      <td>{offer.resolution}</td>
      <td>
        <Price of={offer} />
      </td>
      <td>{offer.seconds.join(', ')}</td>
      <td>{offer.last_image ? words.settings.models.twoImages : words.settings.models.oneImage}</td>
      <td>{offer.audio ? words.settings.models.withSound : words.settings.models.silent}</td>
      {index === 0 && shapeCell(offers.length)}
    </tr>
  ))
}

function Price({ of: { usd_per_second: perSecond, usd_per_clip: perClip } }: { readonly of: Offer }) {
  const { code, words } = useLanguage()
  // Prices of a second are fractions of a cent.
  const format = new Intl.NumberFormat(code, {
    style: 'currency',
    currency: 'USD',
    minimumFractionDigits: 2,
    maximumFractionDigits: 6,
  })
  if (perSecond !== null)
    return <Fragment>{words.settings.models.perSecond(format.format(perSecond))}</Fragment>
  if (perClip !== null) return <Fragment>{words.settings.models.perClip(format.format(perClip))}</Fragment>
  return (
    <span className="badge" data-tone="warn">
      {words.unknownPrice}
    </span>
  )
}
