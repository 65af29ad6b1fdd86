import type { HeldSigningKey } from '../src/record/signingKeyFiles.js';
import type { SignerDeps } from '../src/sign/signer.js';
import type { SigningKeysOf } from '../src/sign/signingKeys.js';

/** For houses whose tenants' `control` names no key: this one is valid for every size of every log. */
export const soleKey =
  ({ publicKey }: HeldSigningKey): SigningKeysOf =>
  () =>
    Promise.resolve([{ publicKey, from: {}, last: null }]);

/** What a signer is told where that one key signs, and nothing was ever recovered. */
export const signsAll = (key: HeldSigningKey): Pick<SignerDeps, 'signingKeysOf' | 'recoveredOf'> => ({
  signingKeysOf: () => Promise.resolve(() => Promise.resolve(key)),
  recoveredOf: () => Promise.resolve({ closed: new Set(), opened: new Set() }),
});
