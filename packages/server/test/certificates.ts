import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A certificate and its key, as files and as text. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

const EC_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** A new authority, made by openssl. */
export function makeAuthority(dir: string, name: string): Certificate {
  return make(dir, name, ['-days', '30', '-addext', 'basicConstraints=critical,CA:true']);
}

/** A new certificate of an authority, for `localhost` where it is a server's. */
export function issue(
  authority: Certificate,
  dir: string,
  name: string,
  usage: 'serverAuth' | 'clientAuth',
): Certificate {
  const options = `-CA ${authority.certFile} -CAkey ${authority.keyFile} -days 7 -addext basicConstraints=critical,CA:false -addext extendedKeyUsage=${usage} -addext subjectAltName=DNS:localhost,IP:127.0.0.1`;
  return make(dir, name, options.split(' '));
}

function make(dir: string, name: string, options: readonly string[]): Certificate {
  const certFile = join(dir, `${name}.crt`);
  const keyFile = join(dir, `${name}.key`);
  const line = ['req', '-x509', ...EC_KEY, '-subj', `/CN=${name}`, '-keyout', keyFile, '-out', certFile, ...options];
  execFileSync('openssl', line, { stdio: 'pipe' });
  return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
}
