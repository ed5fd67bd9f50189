/** PostgreSQL: the ids that are reserved for the events of one transaction. Never changed: stored ids depend on it. */
export const eventsPerTransaction = 8192

/** The condition of the view `settled_events` on PostgreSQL: only events of transactions before the oldest one that runs. */
export const isSettled = `where id < (select base from event_base)
  + pg_snapshot_xmin(pg_current_snapshot())::text::bigint * ${eventsPerTransaction}`
