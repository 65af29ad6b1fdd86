/** Sequences drafts in a process of its own, which kills itself at a statement it is told. Says what it acknowledged in one line of JSON. */
import { createClockGuard } from '../src/record/clockGuard.js';
import { createSequencer } from '../src/record/sequencer.js';
import type { DatabaseAddress } from '../src/store/address.js';
import { openDatabase } from '../src/store/database.js';
import { readDrafts } from './draftFile.js';
import { type Fate, mortal } from './mortal.js';

/** What the process is to do. */
export interface Order {
  readonly address: DatabaseAddress;
  readonly rolePrefix: string;
  readonly password: string;
  /** Hex. */
  readonly recorderKey: string;
  readonly deploymentId: string;
  readonly tenantId: string;
  /** Written by `writeDrafts`. */
  readonly drafts: string;
  readonly fate: Fate;
}

const order = JSON.parse(process.argv[2] ?? '') as Order;
const db = openDatabase({ address: order.address, rolePrefix: order.rolePrefix, passwordOf: () => order.password });
const sequencer = createSequencer({
  db: mortal(db, order.fate, () => void process.kill(process.pid, 'SIGKILL')),
  role: 'writer',
  recorderKey: Buffer.from(order.recorderKey, 'hex'),
  originOf: (tenantId, log) => `${order.deploymentId}/${tenantId}/${log}`,
  clock: createClockGuard(() => performance.now()),
  onCommit: () => undefined,
});
const appended = await sequencer.append(order.tenantId, readDrafts(order.drafts));
process.stdout.write(JSON.stringify(appended.map(({ outcome }) => outcome)));
await db.close();
