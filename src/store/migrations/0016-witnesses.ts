import type { Migration } from '../migrate.ts'

/** What speaks for or against a render that may have been accepted, and when a provider does not answer. */
export const witnesses: Migration = {
  id: 16,
  name: 'witnesses',
  statements: [
    // The provider's name of the account that the request was sent from.
    `alter table attempts add column account text`,
    `alter table attempts add column prompt text`,
    // When the provider first fetched a picture at the attempt's own address: it has accepted the request.
    `alter table attempts add column pictures_fetched_at {{integer}}`,
    // Renders of which a person has to say whether one is the held attempt's (JSON).
    `alter table attempts add column candidates text not null default '[]'`,

    // A row while requests for renders stay unanswered. Until then nothing is sent, and afterwards one at a time.
    `create table outages (
      renderer text primary key,
      failures {{integer}} not null,
      until {{integer}} not null,
      reason text not null
    ) {{strict}}`,
  ],
}
