/** Bundles of runs are described and not built in this version. */
export const BUILDING = {
  available: false,
  reason: 'this version describes what a bundle of a run would be, and builds none',
} as const;
