import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Config } from '@sworn/server';
import { CommandFailed, EXIT } from './exitCode.js';

/** Which setting chooses a port. */
const PORT_SETTINGS = [
  { setting: 'SWORN_HTTP_PORT', of: (config: Config) => config.httpPort },
  { setting: 'SWORN_OTLP_HTTP_PORT', of: (config: Config) => config.otlpHttpPort },
  { setting: 'SWORN_OTLP_GRPC_PORT', of: (config: Config) => config.otlpGrpcPort },
] as const;

/**
 * Runs `start`; a taken port becomes a sentence that names who has it and how to choose another. Where nothing was initialised yet the ports
 * are tried first, so that nothing is made for a server that cannot listen.
 */
export async function withPortHolder<T>(config: Config, start: () => Promise<T>): Promise<T> {
  assertDifferent(config);
  try {
    if (!existsSync(join(config.dataDir, 'deployment')))
      for (const { of } of PORT_SETTINGS) await tryPort(config.host, of(config));
    return await start();
  } catch (error) {
    const port = takenPort(error);
    const setting = PORT_SETTINGS.find(({ of }) => of(config) === port)?.setting;
    if (port === null || setting === undefined) throw error;
    const holder = holderOf(port);
    const who = holder === null ? 'another program' : `process ${holder.pid} (${holder.command})`;
    const free = await freePort(config, port);
    throw new CommandFailed(
      EXIT.unable,
      `port ${port} is taken by ${who}.\nStop it, or choose another port: ${setting}=${free} (0 takes a free one).`,
      { cause: error },
    );
  }
}

/** @throws CommandFailed when two listeners are to have one port. */
function assertDifferent(config: Config): void {
  const chosen = PORT_SETTINGS.map(({ setting, of }) => ({ setting, port: of(config) })).filter(
    ({ port }) => port !== 0,
  );
  for (const { setting, port } of chosen) {
    const other = chosen.find((one) => one.port === port && one.setting !== setting);
    if (other === undefined) continue;
    throw new CommandFailed(EXIT.unable, `${setting} and ${other.setting} are both ${port}: they need two ports`);
  }
}

/** @throws Error as listening would. */
function tryPort(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, host, () => server.close(() => resolve()));
  });
}

/** The first port that can be listened on in steps of a thousand from a taken one; 0, any free one, when there is none. */
async function freePort(config: Config, taken: number): Promise<number> {
  const ours = PORT_SETTINGS.map(({ of }) => of(config));
  for (let port = taken + 1000; port <= 65_535; port += 1000) {
    if (ours.includes(port)) continue;
    const isFree = await tryPort(config.host, port).then(
      () => true,
      () => false,
    );
    if (isFree) return port;
  }
  return 0;
}

function takenPort(error: unknown): number | null {
  if (!(error instanceof Error)) return null;
  const { code, port } = error as NodeJS.ErrnoException & { port?: number };
  return code === 'EADDRINUSE' && port !== undefined ? port : null;
}

/** Who listens on a TCP port, as far as `/proc` tells this user; null elsewhere than on Linux. */
function holderOf(port: number): { readonly pid: number; readonly command: string } | null {
  const inodes = listeningInodes(port);
  if (inodes.size === 0) return null;
  for (const pid of listed('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const fd of listed(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode === undefined || !inodes.has(inode)) continue;
      const command = textOf(`/proc/${pid}/cmdline`).split('\0').filter(Boolean).slice(0, 3).join(' ');
      return { pid: Number(pid), command: command === '' ? 'unknown' : command.slice(0, 120) };
    }
  }
  return null;
}

/** Column 2 of `/proc/net/tcp` is local address:port in hex, column 4 the state (0A: listening), column 10 the inode. */
function listeningInodes(port: number): Set<string> {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set<string>();
  for (const line of `${textOf('/proc/net/tcp')}${textOf('/proc/net/tcp6')}`.split('\n')) {
    const columns = line.trim().split(/\s+/);
    const inode = columns[9];
    if (columns[1]?.endsWith(`:${wanted}`) === true && columns[3] === '0A' && inode !== undefined) inodes.add(inode);
  }
  return inodes;
}

/** Processes come and go, and others' are closed to us: what cannot be read is not there. */
function listed(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
