import type { Directory } from '../record/directory.js';
import { createOncePerName } from './oncePerName.js';

/** Token of who asks, or from where, once the tenant's directory has its value: whom it stands for can be said until it is erased. */
export type EnteredTokenOf = (tenantId: string, value: string) => Promise<string>;

/** Tokens known to be entered, about 150 bytes each. */
const TOKENS_HELD = 65_536;

export function createEnteredTokens(deps: {
  readonly tokenOf: (tenantId: string, value: string) => Promise<string>;
  readonly directory: Directory;
}): EnteredTokenOf {
  // A thousand requests from an address that is new enter it once.
  const once = createOncePerName(TOKENS_HELD);
  return async (tenantId, value) => {
    const token = await deps.tokenOf(tenantId, value);
    await once(`${tenantId}/${token}`, () => deps.directory.enter(tenantId, new Map([[token, value]])));
    return token;
  };
}
