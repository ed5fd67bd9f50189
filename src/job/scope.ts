/** Permissions of a key; `admin` includes all others. */
export const scopes = ['read', 'submit', 'approve', 'admin'] as const
export type Scope = (typeof scopes)[number]
