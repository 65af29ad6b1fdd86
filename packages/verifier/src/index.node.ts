export { type FileSource, fileSource } from './archive/fileSource.node.js';
export { VERIFY_HELP, type VerifyExit, type VerifyOutput, verifyCommand } from './command.node.js';
export { verifyEd25519 } from './ed25519.node.js';
