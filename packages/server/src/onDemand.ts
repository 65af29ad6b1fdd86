import type { startApp as StartApp } from './app.js';
import type { exportByHand as ExportByHand } from './exportByHand.js';
import type { readLeaf as ReadLeaf } from './leafByHand.js';

/**
 * What needs the contract's schemas and the web framework, loaded when it is asked for: they are most of all modules there are, and a command
 * beside the server would load them for nothing.
 */

/** `startApp` of app.ts. */
export const startApp: typeof StartApp = async (...args) => (await import('./app.js')).startApp(...args);

/** `readLeaf` of leafByHand.ts. */
export const readLeaf: typeof ReadLeaf = async (...args) => (await import('./leafByHand.js')).readLeaf(...args);

/** `exportByHand` of exportByHand.ts. */
export const exportByHand: typeof ExportByHand = async (...args) =>
  (await import('./exportByHand.js')).exportByHand(...args);
