import { setFlagsFromString } from 'node:v8';

/**
 * Has V8 collect its garbage early instead of letting the heap grow to several times what is held, which it does on a machine with room: for a command that
 * works through gigabytes beside others, not for a server that is to answer quickly. Costs a third of its processor time.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--optimize-for-size');
}
