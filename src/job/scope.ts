/** What a key may do; `admin` may do everything. */
export const scopes = ['read', 'submit', 'approve', 'admin'] as const
export type Scope = (typeof scopes)[number]
