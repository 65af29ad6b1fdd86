/** Nothing was stored, or what was stored could not be read back, whatever it was: the caller must not acknowledge, and may try again. */
export class NotSequenced extends Error {}
