/** Why a parser refused its input; tests and callers look at the code, never at the wording. */
export type MalformedCode =
  | 'hex'
  | 'base64'
  | 'not_utf8'
  | 'too_large'
  | 'not_json'
  | 'duplicate_member'
  | 'too_deep'
  | 'number'
  | 'string'
  | 'member_name'
  | 'list_too_long'
  | 'not_canonical'
  | 'unknown_type'
  | 'member'
  | 'frontier'
  | 'tile'
  | 'note'
  | 'key_name'
  | 'vkey'
  | 'checkpoint'
  | 'record_id'
  | 'tlog_proof'
  | 'statement'
  | 'range'
  | 'disclosure'
  | 'attestation'
  | 'run'
  | 'run_leaves';

/** Input that is not what it claims to be. Nothing of it was used. */
export class Malformed extends Error {
  override readonly name: string = 'Malformed';
  readonly code: MalformedCode;

  constructor(code: MalformedCode, detail: string) {
    super(detail);
    this.code = code;
  }
}

/** A leaf that breaks a rule of docs/spec/leaf.md: it is never written, and never believed when read. */
export class LeafRefused extends Malformed {
  override readonly name = 'LeafRefused';
}
