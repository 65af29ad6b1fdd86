import { createHmac, timingSafeEqual } from 'node:crypto';

/** What a bearer link opens, and in whose name. */
export interface LinkedFile {
  readonly tenantId: string;
  /** Of the key that asked for the link: what that may not, the link may not. */
  readonly keyId: string;
  readonly exportId: string;
  /** Of the file. */
  readonly name: string;
  /** Seconds since 1970. */
  readonly until: number;
}

/** The longest that a link holds, seconds (CONTRACT.md §6). */
export const MAX_LINK_SECONDS = 900;

/** tenant[16] ‖ key[16] ‖ until[6] ‖ HMAC-SHA256[32], as base64url. */
const BYTES = 70;
const TEXT = /^[A-Za-z0-9_-]{94}$/;

/** The text of a link. It is as good as a credential for that file: it is stored nowhere. */
export function linkText(linkKey: Uint8Array, file: LinkedFile): string {
  const said = Buffer.alloc(BYTES - 32);
  said.write(file.tenantId.replaceAll('-', ''), 0, 'hex');
  said.write(file.keyId.replaceAll('-', ''), 16, 'hex');
  said.writeUIntBE(file.until, 32, 6);
  return Buffer.concat([said, macOf(linkKey, file)]).toString('base64url');
}

/** What a text opens of this file, at `now` (milliseconds since 1970); null: nothing. Attacker-controlled. */
export function readLink(
  linkKey: Uint8Array,
  text: string,
  { exportId, name, now }: Pick<LinkedFile, 'exportId' | 'name'> & { readonly now: number },
): LinkedFile | null {
  if (!TEXT.test(text)) return null;
  const bytes = Buffer.from(text, 'base64url');
  // Of a file there is one text a link: bits that are left over say nothing.
  if (bytes.length !== BYTES || bytes.toString('base64url') !== text) return null;
  const file: LinkedFile = {
    tenantId: uuidOf(bytes.subarray(0, 16)),
    keyId: uuidOf(bytes.subarray(16, 32)),
    exportId,
    name,
    until: bytes.readUIntBE(32, 6),
  };
  if (!timingSafeEqual(bytes.subarray(38), macOf(linkKey, file))) return null;
  return now < file.until * 1_000 && now >= (file.until - MAX_LINK_SECONDS) * 1_000 ? file : null;
}

function macOf(linkKey: Uint8Array, { tenantId, keyId, exportId, name, until }: LinkedFile): Buffer {
  const said = JSON.stringify(['sworn.link/1', tenantId, keyId, exportId, name, until]);
  return createHmac('sha256', linkKey).update(said).digest();
}

function uuidOf(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
