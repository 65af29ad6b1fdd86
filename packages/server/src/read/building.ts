/** Bundles of runs are built by a command; over HTTP they are described. */
export const BUILDING = {
  available: false,
  reason: 'bundles are built by `sworn export` on the server; over HTTP this version describes them and queues none',
} as const;
