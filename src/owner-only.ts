/**
 * The rights of what a data folder holds, whatever the umask is: its owner's alone. Processes that are ours set the umask;
 * the library may not change that of the program that embeds it, so what it makes in the folder names these modes.
 */
export const ownerFolder = 0o700
export const ownerFile = 0o600
export const ownerUmask = 0o077
