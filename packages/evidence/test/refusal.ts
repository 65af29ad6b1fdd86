import { Malformed } from '../src/malformed.js';

/** The code with which `act` refuses; the class's name is not enough, and the wording is nobody's contract. */
export function refusalOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof Malformed) return error.code;
    throw error;
  }
  return 'accepted';
}
