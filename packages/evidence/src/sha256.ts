// SHA-256 (FIPS 180-4) for runtimes without Node's crypto; WebCrypto's is asynchronous, and proofs are not. Under Node `sha256.node.ts` stands in.

/** First 32 bits of the fractional parts of the cube roots of the first 64 primes (§4.2.2). */
const K = Uint32Array.of(
  0x428a2f98,
  0x71374491,
  0xb5c0fbcf,
  0xe9b5dba5,
  0x3956c25b,
  0x59f111f1,
  0x923f82a4,
  0xab1c5ed5,
  0xd807aa98,
  0x12835b01,
  0x243185be,
  0x550c7dc3,
  0x72be5d74,
  0x80deb1fe,
  0x9bdc06a7,
  0xc19bf174,
  0xe49b69c1,
  0xefbe4786,
  0x0fc19dc6,
  0x240ca1cc,
  0x2de92c6f,
  0x4a7484aa,
  0x5cb0a9dc,
  0x76f988da,
  0x983e5152,
  0xa831c66d,
  0xb00327c8,
  0xbf597fc7,
  0xc6e00bf3,
  0xd5a79147,
  0x06ca6351,
  0x14292967,
  0x27b70a85,
  0x2e1b2138,
  0x4d2c6dfc,
  0x53380d13,
  0x650a7354,
  0x766a0abb,
  0x81c2c92e,
  0x92722c85,
  0xa2bfe8a1,
  0xa81a664b,
  0xc24b8b70,
  0xc76c51a3,
  0xd192e819,
  0xd6990624,
  0xf40e3585,
  0x106aa070,
  0x19a4c116,
  0x1e376c08,
  0x2748774c,
  0x34b0bcb5,
  0x391c0cb3,
  0x4ed8aa4a,
  0x5b9cca4f,
  0x682e6ff3,
  0x748f82ee,
  0x78a5636f,
  0x84c87814,
  0x8cc70208,
  0x90befffa,
  0xa4506ceb,
  0xbef9a3f7,
  0xc67178f2,
);
const BLOCK_BYTES = 64;

/** SHA-256 of bytes that come piece by piece. */
export interface Sha256 {
  /** Takes the next piece; nothing of it is kept. */
  update(bytes: Uint8Array): void;
  /** Of all pieces: 32 bytes. Ends it: whatever is called afterwards throws. */
  digest(): Uint8Array;
}

/** SHA-256 of the parts, one after another: 32 bytes. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = startSha256();
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** Begins a hash that is fed piece by piece. */
export function startSha256(): Sha256 {
  return new PureSha256();
}

class PureSha256 implements Sha256 {
  readonly #state = Uint32Array.of(
    0x6a09e667,
    0xbb67ae85,
    0x3c6ef372,
    0xa54ff53a,
    0x510e527f,
    0x9b05688c,
    0x1f83d9ab,
    0x5be0cd19,
  );
  readonly #schedule = new Uint32Array(64);
  readonly #block = new Uint8Array(BLOCK_BYTES);
  #filled = 0;
  #length = 0;
  #isEnded = false;

  update(bytes: Uint8Array): void {
    if (this.#isEnded) throw new Error('the digest was taken already');
    this.#length += bytes.length;
    let filled = this.#filled;
    for (const byte of bytes) {
      this.#block[filled++] = byte;
      if (filled === BLOCK_BYTES) {
        compress(this.#state, this.#schedule, this.#block);
        filled = 0;
      }
    }
    this.#filled = filled;
  }

  /** Padding (§5.1.1): a one bit, zeros, and the length in bits as 64 bits. */
  digest(): Uint8Array {
    if (this.#isEnded) throw new Error('the digest was taken already');
    this.#isEnded = true;
    const block = this.#block;
    let filled = this.#filled;
    block[filled++] = 0x80;
    if (filled > BLOCK_BYTES - 8) {
      compress(this.#state, this.#schedule, block.fill(0, filled));
      filled = 0;
    }
    block.fill(0, filled);
    const view = new DataView(block.buffer);
    view.setUint32(56, Math.floor(this.#length / 0x2000_0000));
    view.setUint32(60, (this.#length << 3) >>> 0);
    compress(this.#state, this.#schedule, block);
    const digest = new Uint8Array(32);
    const out = new DataView(digest.buffer);
    this.#state.forEach((word, i) => out.setUint32(4 * i, word));
    return digest;
  }
}

/** One block into the state (§6.2.2). */
function compress(state: Uint32Array, schedule: Uint32Array, block: Uint8Array): void {
  const words = new DataView(block.buffer);
  for (let t = 0; t < 16; t++) schedule[t] = words.getUint32(4 * t);
  for (let t = 16; t < 64; t++) {
    const w15 = at(schedule, t - 15);
    const w2 = at(schedule, t - 2);
    const s0 = rotate(w15, 7) ^ rotate(w15, 18) ^ (w15 >>> 3);
    const s1 = rotate(w2, 17) ^ rotate(w2, 19) ^ (w2 >>> 10);
    schedule[t] = at(schedule, t - 16) + s0 + at(schedule, t - 7) + s1;
  }
  let [a, b, c, d, e, f, g, h] = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => at(state, i)) as Eight;
  for (let t = 0; t < 64; t++) {
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + at(K, t) + at(schedule, t)) | 0;
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => {
    state[i] = at(state, i) + word;
  });
}

type Eight = [number, number, number, number, number, number, number, number];

/** Every index here is a constant below the length. */
function at(words: Uint32Array, index: number): number {
  return words[index] as number;
}

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}
