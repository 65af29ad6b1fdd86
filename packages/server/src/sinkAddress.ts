import { fileURLToPath } from 'node:url';

/** Where checkpoints are sent to be kept. */
export type SinkAddress = FileSinkAddress | PostSinkAddress;

/** A directory. */
export interface FileSinkAddress {
  readonly kind: 'file';
  /** As findings, metrics and confirmations call it: its URL. */
  readonly name: string;
  /** Absolute path. */
  readonly dir: string;
  /** Whether it lies out of reach of whoever can rewrite the database, as far as can be told. */
  readonly outside: boolean;
}

/** A server that takes notes by POST. */
export interface PostSinkAddress {
  readonly kind: 'post';
  readonly name: string;
  readonly url: string;
  /** Bearer credential; never logged. */
  readonly token: string | null;
  readonly outside: boolean;
}

/** The sinks that the settings name, and what is wrong with them. No mistake repeats a token or a URL that may hold one. */
export interface ReadSinks {
  readonly sinks: readonly SinkAddress[];
  readonly mistakes: readonly string[];
}

const LOOPBACK = /^(localhost|\[::1\]|127(\.\d{1,3}){3})$/;
/** RFC 6750's b64token. */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

/**
 * Reads SWORN_CHECKPOINT_SINKS and SWORN_CHECKPOINT_SINK_TOKENS, entry by entry.
 * @param oneUser whoever can rewrite the database is the user of this process: then its files, and servers on this machine, are his too
 */
export function readSinks(
  entries: readonly string[],
  tokenEntries: readonly string[],
  { dataDir, oneUser }: { readonly dataDir: string; readonly oneUser: boolean },
): ReadSinks {
  const mistakes: string[] = [];
  const tokens = new Map<string, string>();
  for (const [i, entry] of tokenEntries.entries()) {
    const at = entry.indexOf('=');
    const [host, token] = [entry.slice(0, at), entry.slice(at + 1)];
    if (at < 1 || !TOKEN.test(token) || tokens.has(host))
      mistakes.push(
        `SWORN_CHECKPOINT_SINK_TOKENS: entry ${i + 1} must be <host>=<token> or <host>:<port>=<token>, a host once`,
      );
    else tokens.set(host, token);
  }
  const sinks: SinkAddress[] = [];
  for (const [i, entry] of entries.entries()) {
    const sink = readSink(entry, tokens, oneUser);
    const wrong = (what: string): number => mistakes.push(`SWORN_CHECKPOINT_SINKS: entry ${i + 1} ${what}`);
    if (sink === null)
      wrong('must be file:///<directory>, https://<host>/<path> or http:// of loopback, without credentials, ? and #');
    else if (sinks.some(({ name }) => name === sink.name)) wrong('is there already');
    else if (sink.kind === 'file' && (sink.dir === dataDir || sink.dir.startsWith(`${dataDir}/`)))
      wrong(`must not lie inside SWORN_DATA_DIR (${dataDir}): a copy of the data would carry it`);
    else sinks.push(sink);
  }
  const hosts = new Set(sinks.map((sink) => (sink.kind === 'post' ? new URL(sink.url).host : '')));
  for (const host of tokens.keys())
    if (!hosts.has(host)) mistakes.push(`SWORN_CHECKPOINT_SINK_TOKENS: ${host} is the host of no sink`);
  return { sinks, mistakes };
}

function readSink(entry: string, tokens: ReadonlyMap<string, string>, oneUser: boolean): SinkAddress | null {
  const url = URL.canParse(entry) ? new URL(entry) : null;
  if (url === null || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return null;
  const isHere = url.protocol === 'file:' || LOOPBACK.test(url.hostname);
  const outside = !(isHere && oneUser);
  if (url.protocol === 'file:') {
    if (url.host !== '' || /%2f/i.test(url.pathname)) return null;
    const dir = fileURLToPath(url).replace(/(?<=.)\/+$/, '');
    return dir === '/' ? null : { kind: 'file', name: `file://${dir}`, dir, outside };
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isHere)) return null;
  return { kind: 'post', name: url.href, url: url.href, token: tokens.get(url.host) ?? null, outside };
}
