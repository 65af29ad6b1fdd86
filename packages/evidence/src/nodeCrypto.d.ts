// The two functions of Node that `sha256.node.ts` uses, instead of all of @types/node: with those in sight, a `Buffer` or `process`
// anywhere in this package would still compile, and the package would no longer run in a browser.
declare module 'node:crypto' {
  interface Hash {
    update(data: Uint8Array): Hash;
    digest(outputEncoding: 'latin1'): string;
  }
  export function createHash(algorithm: 'sha256'): Hash;
  /** One shot, without an object; Node ≥ 20.12. */
  export function hash(algorithm: 'sha256', data: Uint8Array, outputEncoding: 'latin1'): string;
}
