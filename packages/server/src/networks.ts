import { BlockList, isIP, isIPv6 } from 'node:net';

/** A set of addresses. */
export interface Networks {
  /** Whether `address`, as a socket or `sourceOf` gives it, is one of them. */
  has(address: string): boolean;
}

/** Networks as operators write them, and what is wrong with what they wrote. */
export interface NetworksRead {
  readonly networks: Networks;
  readonly mistakes: readonly string[];
}

/** Reads addresses and networks (CIDR, RFC 4632 and RFC 4291), IPv4 and IPv6. */
export function readNetworks(setting: string, texts: readonly string[]): NetworksRead {
  const list = new BlockList();
  const mistakes: string[] = [];
  for (const text of texts) {
    const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
    const version = isIP(address);
    const width = version === 4 ? 32 : 128;
    if (version === 0 || Number(bits ?? width) > width) {
      mistakes.push(
        `${setting}: "${text}" is no address and no network; they look like 10.0.0.7, 10.0.0.0/8, 2001:db8::/32`,
      );
    } else {
      list.addSubnet(address, Number(bits ?? width), familyOf(version));
    }
  }
  return {
    networks: {
      has(address) {
        const bare = address.replace(/%.*$/, '');
        const version = isIP(bare);
        return version !== 0 && list.check(bare, familyOf(version));
      },
    },
    mistakes,
  };
}

/** The last address in X-Forwarded-For that no trusted proxy has; whoever is not one cannot choose his own. */
export function sourceOf(
  socket: string,
  forwarded: string | readonly string[] | undefined,
  trusted: Pick<Networks, 'has'>,
): string {
  let source = unmapped(socket);
  const hops = [forwarded ?? []].flat().join(',').split(',');
  while (trusted.has(source)) {
    const hop = addressOf(hops.pop() ?? '');
    if (hop === null) break;
    source = hop;
  }
  return source;
}

/** What of an address tells one caller from another: all of IPv4; of IPv6 the first 64 bits, since one host has all that follow. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.replace(/%.*$/, '').toLowerCase().split('::');
  const groups = (text: string | undefined) => (text === undefined || text === '' ? [] : text.split(':'));
  const [before, after] = [groups(head), groups(tail)];
  // A dotted end stands for two groups; it lies in the last 32 bits.
  const width = before.length + after.length + (address.includes('.') ? 1 : 0);
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - width }, () => '0');
  const first = [...before, ...zeros, ...after].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${first.join(':')}::/64`;
}

/** The address that a hop of X-Forwarded-For names, with its port or without; null: it names none. */
function addressOf(hop: string): string | null {
  const text = hop.trim();
  const [, bracketed] = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(text) ?? [];
  const [, dotted] = /^([\d.]+)(?::\d{1,5})?$/.exec(text) ?? [];
  const address = bracketed ?? dotted ?? text;
  return isIP(address) === 0 ? null : unmapped(address.toLowerCase());
}

/** An IPv4 address that came over an IPv6 socket is the IPv4 address. */
export function unmapped(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

function familyOf(version: number): 'ipv4' | 'ipv6' {
  return version === 4 ? 'ipv4' : 'ipv6';
}

/** Whether `host` is an address or name of this machine's loopback interface. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
