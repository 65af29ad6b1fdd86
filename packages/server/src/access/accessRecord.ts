import type { Permission, ProblemCode } from '@sworn/contract';
import type { JsonObject, JsonValue, Topic } from '@sworn/evidence';
import type { LeafDraft } from '../record/draft.js';
import { ownEventKey, ownLeaf } from '../record/ownLeaf.js';
import type { NamedCredential } from './credential.js';
import type { EnteredTokenOf } from './enteredToken.js';

/** One read, decided and, when allowed, about to be answered (CONTRACT.md §1, "No unaudited read"). */
export interface AccessEvent {
  /** READ before the answer; READ_ENDED after a stream; EXPORT_… what became of an export. */
  readonly kind: 'READ' | 'READ_ENDED' | ExportKind;
  /** Whose log it goes to: the credential's tenant, or the platform's for a caller nobody knows. */
  readonly tenantId: string;
  readonly requestId: string;
  /** Id of the matched endpoint, never URL text; `unknown_route`, `method_not_allowed`, `cli:leaf`, … */
  readonly endpoint: string;
  readonly method: string;
  readonly credential: NamedCredential | null;
  readonly permission: Permission | null;
  /** Id of the access rule that decided; null: none was asked, or there is none. */
  readonly rule: string | null;
  readonly decision: 'ALLOW' | 'DENY';
  readonly reason: ProblemCode | ExportReason | null;
  readonly status: number;
  /** Source address, as it came; stands in the leaf as a token. */
  readonly source: string;
  /** The client's X-Correlation-Id: a claim, and anything may stand in it: a token in the leaf, in clear in the body. */
  readonly correlationId: string | null;
  readonly userAgent: string | null;
  /** The client's Sworn-View: which page view it belongs to. A claim in which anything may stand: a token in the leaf, and nowhere in clear. */
  readonly view: string | null;
  /** The client's Sworn-Purpose: why it reads, a claim in which anything may stand: a token in the leaf, in clear in the body. */
  readonly purpose?: string | null;
  /** Query text as sent; goes into the body. */
  readonly query: string | null;
  /** By-id reads: what was asked for. */
  readonly runId: string | null;
  /** Of a read of one leaf: the record's id. */
  readonly recordId?: string;
  readonly filters: Readonly<Record<string, string | number | boolean>>;
  readonly pins: readonly { readonly log: string; readonly size: number }[];
  readonly count: number | null;
  /** Of a READ_ENDED: whether all of it went out. */
  readonly complete?: boolean;
  /** `sha256:` over the bytes of the answer before coding. */
  readonly answer: string | null;
  readonly at: string;
  /** Of what became of an export. */
  readonly export?: ExportedBundle;
  /** Null: a record of its own, whatever came before. Else alike ones of its minute may be counted only, so that no flood fills the disk. */
  readonly fold: Fold | null;
}

/** Of an export: asked for, once; built; not built, and why; handed out. */
export type ExportKind = 'EXPORT_PENDING' | 'EXPORT_COMPLETED' | 'EXPORT_FAILED' | 'EXPORT_DELIVERED';

/** Why there is no bundle, where no problem of the contract says it. */
export type ExportReason =
  | 'not_sealed'
  | 'not_covered'
  | 'too_large'
  | 'erased'
  | 'superseded'
  | 'unknown_export'
  | 'other_format'
  | 'unfit_export'
  | 'stopped'
  | 'not_kept';

/** Which bundle a record is about. */
export interface ExportedBundle {
  /** `exp_` and 32 hex: equal for equal identities. */
  readonly id: string;
  /** Null: it is of the run that the record names. */
  readonly scope: JsonObject | null;
  readonly disclosure: string;
  readonly format: string;
  /** SHA-256 of the manifests, hex, of one that was built. */
  readonly manifest?: string;
  readonly tagManifest?: string;
  /** What went out: `zip`, `otlp`, or the name of a file; how many bytes of it, and of a range where it begins. */
  readonly delivered?: string;
  readonly bytes?: number;
  readonly from?: number;
  /** To whoever had a link that the credential asked for. */
  readonly byLink?: boolean;
  /** Public half (hex) of the key that signs its attestation. */
  readonly attestedBy?: string;
}

/**
 * What makes requests alike, beside their tenant, endpoint, minute and network (docs/decisions/0014). None of them is answered with content.
 * `network`: also of a credential, so that whoever has stolen one does not go under in what its owner does.
 */
export type Fold =
  /** Refused without a valid credential: alike are those of one reason. */
  | { readonly by: 'source'; readonly network: string }
  /** Answered 304: alike are those of one credential and representation. */
  | { readonly by: 'poll'; readonly network: string; readonly representation: string }
  /** Refused to a credential: alike are those of one reason. */
  | { readonly by: 'refusal'; readonly network: string };

/** What a record of Sworn's own reads needs of the tenant's keys. */
export interface AccessRecordDeps {
  /** Origin of the tenant's open log of a topic, generation included. */
  readonly openOriginOf: (tenantId: string, topic: Topic) => string;
  /** Token of a personal value under the tenant's pseudonym key. */
  readonly tokenOf: (tenantId: string, value: string) => Promise<string>;
  readonly enteredTokenOf: EnteredTokenOf;
  /** Seals the body of an `access` leaf under the key of its tenant, actor and day. */
  readonly sealBody: SealAccessBody;
}

/** Seals `value` as path `body` of the `access` leaf with `eventKey`. */
export type SealAccessBody = (
  tenantId: string,
  place: {
    readonly origin: string;
    readonly eventKey: Uint8Array;
    readonly actorToken: string | null;
    readonly day: string;
  },
  value: Uint8Array,
) => Promise<{
  readonly body: Uint8Array;
  readonly dk: string;
  readonly pc: string;
  readonly ch: string;
  readonly n: number;
}>;

/** Longest user agent and query text kept: what a header line of Node may hold is 16 KiB, what identifies a client far less. */
const MAX_KEPT = 4_096;

/** Prepares the leaf of an access record. Personal values stand in it as tokens only; user agent and query text are its body. */
export async function accessLeaf(deps: AccessRecordDeps, event: AccessEvent): Promise<LeafDraft> {
  const { tenantId, kind } = event;
  const origin = deps.openOriginOf(tenantId, 'access');
  // Of one identity there is one request to build it, whoever else asks.
  const identity =
    event.kind === 'EXPORT_PENDING' && event.export !== undefined ? [event.export.id] : [event.requestId];
  const source = await deps.enteredTokenOf(tenantId, event.source);
  const view = event.view === null ? null : await deps.tokenOf(tenantId, event.view);
  const correlationId = event.correlationId === null ? null : await deps.tokenOf(tenantId, event.correlationId);
  const purpose = event.purpose == null ? null : await deps.tokenOf(tenantId, event.purpose);
  const value = bodyOf(event);
  const eventKey = ownEventKey(kind, ...identity);
  const actorToken = event.credential === null ? source : null;
  const sealed =
    value === null
      ? null
      : await deps.sealBody(tenantId, { origin, eventKey, actorToken, day: event.at.slice(0, 10) }, value);
  return ownLeaf({
    topic: 'access',
    origin,
    kind,
    identity,
    occurredAt: event.at,
    runId: event.runId,
    sealed,
    fields: {
      request_id: event.requestId,
      endpoint: event.endpoint,
      method: event.method,
      decision: event.decision,
      status: event.status,
      source,
      pins: event.pins.map(({ log, size }) => ({ log, size })),
      ...present({
        ...namedFields(event.credential),
        permission: event.permission,
        rule: event.rule,
        reason_code: event.reason,
        correlation_id: correlationId,
        view,
        purpose,
        run_id: event.runId,
        record_id: event.recordId ?? null,
        count: event.count,
        complete: event.complete ?? null,
        answer: event.answer,
        folded: event.fold === null ? null : true,
        export_id: event.export?.id ?? null,
        scope: event.export?.scope ?? null,
        disclosure: event.export?.disclosure ?? null,
        format: event.export?.format ?? null,
        manifest: event.export?.manifest ?? null,
        tag_manifest: event.export?.tagManifest ?? null,
        delivered: event.export?.delivered ?? null,
        bytes: event.export?.bytes ?? null,
        range_from: event.export?.from ?? null,
        by_link: event.export?.byLink ?? null,
        attested_by: event.export?.attestedBy ?? null,
      }),
      filters: await tokens(deps, tenantId, event.filters),
    },
    projection: {
      table: 'access_records',
      kind,
      requestId: event.requestId,
      endpoint: event.endpoint,
      credentialId: event.credential?.id ?? null,
      decision: event.decision,
      permission: event.permission,
      runId: event.runId,
      recordId: event.recordId ?? null,
      status: event.status,
      view,
      correlationId,
      exportId: event.export?.id ?? null,
    },
  });
}

/** What leaves say of who asked. A person's token is named as a person too. */
export function namedFields(credential: NamedCredential | null): Readonly<Record<string, string | null>> {
  if (credential === null) return {};
  const { id, role, session } = credential;
  return {
    credential_id: id,
    role,
    human_actor_id: session === null ? null : id,
    identity_provider: session?.issuer ?? null,
    session: session?.id ?? null,
  };
}

function bodyOf(event: AccessEvent): Uint8Array | null {
  const { userAgent, query, correlationId, purpose = null } = event;
  if (userAgent === null && query === null && correlationId === null && purpose === null) return null;
  const text = JSON.stringify({
    user_agent: userAgent?.slice(0, MAX_KEPT) ?? null,
    query: query?.slice(0, MAX_KEPT) ?? null,
    correlation_id: correlationId,
    ...(purpose !== null && { purpose }),
  });
  return Buffer.from(text, 'utf8');
}

/** A token of ours, whole: what only begins like one may go on as a name. */
const TOKEN = /^tok_[0-9a-f]{32}$/;

/** Filters whose values may name people become tokens; numbers, flags and tokens stay as they are. */
async function tokens(
  deps: AccessRecordDeps,
  tenantId: string,
  filters: AccessEvent['filters'],
): Promise<Record<string, string | number | boolean>> {
  const out: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(filters)) {
    out[name] = typeof value === 'string' && !TOKEN.test(value) ? await deps.tokenOf(tenantId, value) : value;
  }
  return out;
}

/** Members that apply; an absent one is left out of a leaf. */
export function present(members: Readonly<Record<string, JsonValue | null>>): Record<string, JsonValue> {
  return Object.fromEntries(Object.entries(members).filter((e): e is [string, JsonValue] => e[1] !== null));
}
