import type { Topic } from '@sworn/evidence';
import { networkOf } from '../networks.js';
import { ownLeaf } from '../record/ownLeaf.js';
import { present } from './accessRecord.js';
import type { SessionCredential } from './credential.js';
import type { EnteredTokenOf } from './enteredToken.js';
import { type Append, timestamp } from './keys.js';
import { createOncePerName } from './oncePerName.js';
import { Refusal } from './refusal.js';

/** What recording sign-ins needs. */
export interface LoginDeps {
  /** Through the recorder's sequencer. */
  readonly append: Append;
  readonly openOriginOf: (tenantId: string, topic: Topic) => string;
  readonly enteredTokenOf: EnteredTokenOf;
  /** Whose log holds tokens that were not taken: they prove no tenant. */
  readonly platformTenant: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Records sign-ins in `control`, before what they are used for is done. @throws Refusal `unavailable` when they cannot be recorded */
interface Logins {
  /** The first use of a session: one LOGIN, whatever its tokens and processes. */
  signedIn(session: SessionCredential, source: string): Promise<void>;
  /** A token of a known issuer that was not taken: one LOGIN_FAILED for each issuer, reason and network in a minute; how many there were, access records say. */
  failed(issuer: string, refusal: Refusal, source: string): Promise<void>;
}

/** Sessions known to be recorded, about 150 bytes each. */
const SESSIONS_HELD = 10_000;
/** Failures of a few minutes. */
const FAILURES_HELD = 1_024;
/** Failures with a record of their own in a minute; the others of an issuer are one, that names no source and no reason. A record is 1.5 KB and stays for ever: 35 MB a day. */
const FAILURES_A_MINUTE = 16;

export function createLogins(deps: LoginDeps): Logins {
  const once = createOncePerName(SESSIONS_HELD);
  const onceFailed = createOncePerName(FAILURES_HELD);
  let minute = '';
  const inMinute = new Set<string>();

  async function signedIn(session: SessionCredential, source: string): Promise<void> {
    const { tenantId, actorId, issuer, sessionId, roles } = session;
    await recorded(() =>
      once([tenantId, issuer, sessionId].join('\0'), async () => {
        await deps.append(tenantId, [
          ownLeaf({
            topic: 'control',
            origin: deps.openOriginOf(tenantId, 'control'),
            kind: 'LOGIN',
            identity: [issuer, sessionId],
            occurredAt: timestamp(deps.now()),
            fields: {
              method: 'OIDC',
              identity_provider: issuer,
              human_actor_id: actorId,
              session: sessionId,
              source: await deps.enteredTokenOf(tenantId, source),
              roles: [...roles],
              decision: 'ALLOW',
            },
            projection: { table: 'control_records', kind: 'LOGIN', subject: actorId },
          }),
        ]);
      }),
    );
  }

  /** The reason and network of a failure, as long as the minute has room for one more; else null. */
  function own(at: string, name: string): boolean {
    if (at !== minute) inMinute.clear();
    minute = at;
    if (inMinute.has(name)) return true;
    if (inMinute.size >= FAILURES_A_MINUTE) return false;
    inMinute.add(name);
    return true;
  }

  async function failed(issuer: string, refusal: Refusal, source: string): Promise<void> {
    const occurredAt = timestamp(deps.now());
    const at = occurredAt.slice(0, 16);
    const alike = [issuer, refusal.code, networkOf(source)];
    const isOwn = own(at, alike.join('\0'));
    const identity = [at, ...(isOwn ? alike : [issuer])];
    const { platformTenant } = deps;
    await recorded(() =>
      onceFailed(identity.join('\0'), async () => {
        const token = isOwn ? await deps.enteredTokenOf(platformTenant, source) : null;
        await deps.append(platformTenant, [
          ownLeaf({
            topic: 'control',
            origin: deps.openOriginOf(platformTenant, 'control'),
            kind: 'LOGIN_FAILED',
            identity,
            occurredAt,
            fields: {
              method: 'OIDC',
              identity_provider: issuer,
              decision: 'DENY',
              folded: true,
              ...present({ source: token, reason_code: isOwn ? refusal.code : null }),
            },
            projection: { table: 'control_records', kind: 'LOGIN_FAILED', subject: null },
          }),
        ]);
      }),
    );
  }

  return { signedIn, failed };
}

async function recorded(record: () => Promise<void>): Promise<void> {
  try {
    await record();
  } catch (cause) {
    throw Object.assign(new Refusal('unavailable', 'the sign-in could not be recorded'), { cause });
  }
}
