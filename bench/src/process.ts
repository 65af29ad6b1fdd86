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

/** Processor time used so far, in seconds. */
export interface CpuTime {
  readonly serverS: number;
  readonly postgresS: number;
}

/** Clock ticks a second in `/proc`: 100 on every Linux that Node runs on. */
const TICKS = 100;

/** Processor time of a server and of everything below it: unlike a rate, it does not depend on who else uses the machine. */
export function measureCpu(serverPid: number): CpuTime {
  const postgres = descendants(serverPid).reduce((sum, pid) => sum + ticksOf(pid), 0);
  return { serverS: ticksOf(serverPid) / TICKS, postgresS: postgres / TICKS };
}

/** Fields 14 to 17: user and system time, own and of children that ended. */
function ticksOf(pid: number): number {
  return fieldsOf(pid)
    .slice(11, 15)
    .reduce((sum, ticks) => sum + Number(ticks), 0);
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

function parentOf(pid: number): number {
  return Number(fieldsOf(pid)[1] ?? 0);
}

/** Fields of `/proc/<pid>/stat` from the third on, counted after the command's last parenthesis: the command may hold spaces. */
function fieldsOf(pid: number): string[] {
  const stat = textOf(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
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
