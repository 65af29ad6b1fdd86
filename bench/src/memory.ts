import { readdirSync, readFileSync } from 'node:fs';

/** Proportional set size: shared pages, such as PostgreSQL's buffers, count once however many processes map them. */
export interface Memory {
  readonly serverMb: number;
  readonly postgresMb: number;
}

/** PSS of a server and of everything below it. Linux only; as an ordinary user only what is one's own. */
export function measureMemory(serverPid: number): Memory {
  const children = descendants(serverPid);
  const postgresKb = children.reduce((sum, pid) => sum + pssKb(pid), 0);
  return { serverMb: pssKb(serverPid) / 1024, postgresMb: postgresKb / 1024 };
}

function descendants(pid: number): number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), parent: parentOf(Number(name)) }));
  const found: number[] = [];
  let level = [pid];
  while (level.length > 0) {
    const next = parents.filter(({ parent }) => level.includes(parent)).map((process) => process.pid);
    found.push(...next);
    level = next;
  }
  return found;
}

/** Field 4 of `/proc/<pid>/stat`, counted after the command's last parenthesis: the command may hold spaces. */
function parentOf(pid: number): number {
  const stat = textOf(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0);
}

function pssKb(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB$/m.exec(textOf(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);
}

/** A process that ended meanwhile holds nothing. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
