import { fileURLToPath } from 'node:url';
import { compileIssuers, type Issuer, OidcRefused } from './access/oidcFile.js';
import { readRules } from './mapping/document.js';

/** The issuers that come with Sworn: none. In the repository's `config/`. */
export const BUILT_IN_OIDC = fileURLToPath(new URL('../../../config/oidc.yaml', import.meta.url));

/**
 * Reads `config/oidc.yaml` or one's own file of issuers, whole; `roles` are those that sessions may have.
 * @throws an error that names file and line of every mistake.
 */
export function readOidcFile(path: string, roles: readonly string[]): readonly Issuer[] {
  return readRules(path, {
    of: 'the identity providers (SWORN_OIDC_FILE)',
    compile: (content) => compileIssuers(content, roles),
    Refused: OidcRefused,
  });
}
