export { type EmbeddedCluster, type EmbeddedOptions, startEmbedded } from './embedded/cluster.js';
export { type DatabaseAddress, type Login, parseDatabaseUrl } from './store/address.js';
export { type Database, LOGIN_ROLES, openDatabase, type Role } from './store/database.js';
export { type MigrateOptions, migrate } from './store/migrate.js';
export { type Config, ConfigMistakes, readConfig } from './config.js';
export { tracesFromJson } from './otlp/json.js';
export { type OtlpJson, type OtlpObject, tracesToJson } from './otlp/jsonOut.js';
