export { type FileSource, fileSource } from './archive/fileSource.node.js';
