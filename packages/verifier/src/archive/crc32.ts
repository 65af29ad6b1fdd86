/** Remainders of each byte by the polynomial of ZIP, 0xEDB88320 (APPNOTE.TXT 4.4.7). */
const REMAINDERS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? 0xedb88320 : 0);
  return remainder;
});

/**
 * CRC-32 of bytes, or of what came before and these bytes. Tells damage, not attackers: who changes a file can change its checksum too.
 * @param before CRC-32 of what came before
 */
export function crc32(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  for (let i = 0; i < bytes.length; i++)
    crc = (crc >>> 8) ^ (REMAINDERS[(crc ^ (bytes[i] as number)) & 0xff] as number);
  return ~crc >>> 0;
}
