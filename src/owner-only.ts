/**
 * Permissions of files in the data folder: the owner only, whatever the umask. The programs of this package set the umask.
 * The library may not change that of the embedding program, so it passes these modes when it creates files.
 */
export const ownerFolder = 0o700
export const ownerFile = 0o600
export const ownerUmask = 0o077
