export { compileServer } from './compiled.js';
export { startTestCluster, type TestCluster } from './cluster.js';
export { testDatabase, type TestDatabase } from './database.js';
