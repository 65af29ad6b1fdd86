import { Type, type Static } from 'typebox';
import { Finding } from './finding.js';

interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** What happened, for the page of the code. */
  readonly meaning: string;
  /** What to do about it. */
  readonly remedy: string;
}

/** Every refusal there is: the one table from which status, title, and the page `/problems/<code>` come. */
export const PROBLEMS = {
  invalid_parameter: {
    status: 400,
    title: 'Invalid parameter',
    meaning:
      'A parameter is unknown, repeated, malformed or out of range, a cursor belongs to another query or tenant, or the request has a body. `errors[]` names each parameter.',
    remedy: 'Correct the parameters named in `errors[]`. `/api/v1/openapi.json` lists what each endpoint takes.',
  },
  ambiguous_credential: {
    status: 400,
    title: 'More than one credential',
    meaning: 'The request carries more than one credential, so it does not say for whom it speaks.',
    remedy: 'Send exactly one of `Authorization: Bearer`, `Authorization: Basic` and `x-api-key`.',
  },
  not_authenticated: {
    status: 401,
    title: 'Not authenticated',
    meaning: 'The request has no credential, or one that is unknown or revoked.',
    remedy: 'Send a living API key: `Authorization: Bearer swk_…`. `sworn key create` makes one.',
  },
  credential_expired: {
    status: 401,
    title: 'Credential expired',
    meaning: 'The API key was valid and has passed its expiry.',
    remedy: 'Make a new key with `sworn key create`; keys live 90 days unless told otherwise.',
  },
  permission_denied: {
    status: 403,
    title: 'Permission denied',
    meaning:
      'The credential is valid, but the access rule that `detail` names asks for a permission that its role lacks, allows no range as wide, or has expired, or there is no rule for it.',
    remedy:
      'Use a key of a role that has the permission: reader reads runs, auditor also audit logs and proofs, ingest reads nothing. Rules are data, and whoever runs the server may change them: [rbac.md](../operate/rbac.md).',
  },
  tenant_required: {
    status: 403,
    title: 'Tenant required',
    meaning:
      'The credential does not belong to a living tenant. The tenant comes from the credential and from nothing else.',
    remedy: 'Use a credential that was issued for a tenant.',
  },
  not_found: {
    status: 404,
    title: 'Not found',
    meaning:
      'There is no such route, or no such record for this tenant. A record of another tenant looks the same as one that never existed.',
    remedy: 'Check the path and the id, and that the key belongs to the tenant you mean.',
  },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    meaning: 'The facade only reads: evidence is never created, changed or deleted through it.',
    remedy: 'Use GET or HEAD. Evidence comes in over OTLP, on a port of its own.',
  },
  evidence_compromised: {
    status: 409,
    title: 'Evidence compromised',
    meaning:
      'The stored record does not agree with its log. `finding` says which check failed; `leaf` holds the stored bytes as they are, in base64.',
    remedy:
      'Treat the record as evidence of tampering or damage: keep the answer, compare with a checkpoint kept elsewhere, and tell whoever runs this installation. What each finding means, how to look and what to do is in [findings.md](../operate/findings.md).',
  },
  range_not_satisfiable: {
    status: 416,
    title: 'Range not satisfiable',
    meaning:
      'The range of bytes that was asked for begins behind the end of the file. `Content-Range` says how long that is.',
    remedy: 'Ask for a range that begins within it, or for all of it. A download that was whole already needs no more.',
  },
  misdirected: {
    status: 421,
    title: 'Misdirected request',
    meaning: 'The Host header names a host this server does not answer for.',
    remedy: 'Use a configured name, or add it to SWORN_ALLOWED_HOSTS.',
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    meaning:
      'This credential, or this address, asked more often than it may. `detail` says which, `RateLimit-Policy` how often.',
    remedy: 'Wait as long as `Retry-After` says.',
  },
  internal: {
    status: 500,
    title: 'Internal error',
    meaning: 'Something failed that should not. Nothing about the record is said by it.',
    remedy: 'Report `instance` to whoever runs this installation; the log line carries the same id.',
  },
  unavailable: {
    status: 503,
    title: 'Unavailable',
    meaning: 'The database is away, or the read could not be recorded. No read is answered that is not recorded first.',
    remedy: 'Wait as long as `Retry-After` says and ask again; `/readyz` says what is missing.',
  },
} as const satisfies Record<string, ProblemKind>;

/** Code of a refusal. */
export type ProblemCode = keyof typeof PROBLEMS;

/** All codes, in the order of their status. */
export const PROBLEM_CODES = Object.keys(PROBLEMS) as ProblemCode[];

/** Path of the page that explains a code; the `type` of a problem. */
export function problemPage(code: ProblemCode): string {
  return `/problems/${code}`;
}

/** The page itself, as Markdown: served under `problemPage(code)` and kept in `docs/problems/<code>.md`. */
export function problemMarkdown(code: ProblemCode): string {
  const { status, title, meaning, remedy } = PROBLEMS[code];
  return `# ${title}\n\n\`${code}\`, HTTP ${status}\n\n${meaning}\n\n## What to do\n\n${remedy}\n`;
}

/** RFC 9457 problem details, as `application/problem+json`. Carries no ETag and no evidence metadata. */
export const Problem = Type.Object(
  {
    type: Type.String({ description: 'Page that explains the code.' }),
    title: Type.String(),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    detail: Type.String(),
    instance: Type.String({ description: 'Our random request id, also in X-Request-Id.' }),
    code: Type.Unsafe<ProblemCode>({ type: 'string', enum: PROBLEM_CODES }),
    errors: Type.Optional(
      Type.Array(Type.Object({ parameter: Type.String(), detail: Type.String() }, { additionalProperties: false })),
    ),
    finding: Type.Optional(Finding),
    leaf: Type.Optional(Type.String({ description: 'The stored bytes of the compromised record, base64.' })),
  },
  { additionalProperties: false },
);
export type Problem = Static<typeof Problem>;
