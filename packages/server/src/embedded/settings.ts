import { type Places, SOCKET_PORT } from './places.js';

/** `postgresql.conf`, written anew at every start: what we promise must not depend on what someone once tried. */
export function serverSettings(places: Places): string {
  const own = [
    ['port', String(SOCKET_PORT)],
    ['unix_socket_directories', places.socketDir],
    ['hba_file', places.hostRulesFile],
  ] as const;
  return [...SETTINGS, ...own].map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`).join('');
}

/** `pg_hba.conf`: the socket only, a password always. */
export const HOST_RULES = 'local all all scram-sha-256\n';

const SETTINGS: readonly (readonly [name: string, value: string])[] = [
  // Reached by the socket alone.
  ['listen_addresses', ''],
  ['unix_socket_permissions', '0700'],
  ['password_encryption', 'scram-sha-256'],
  ['max_connections', '60'],
  // What is acknowledged is on the disk.
  ['fsync', 'on'],
  ['synchronous_commit', 'on'],
  ['full_page_writes', 'on'],
  ['allow_alter_system', 'off'],
  ['idle_in_transaction_session_timeout', '5s'],
  // A constraint violation prints the row, a slow statement its parameters: neither is wanted in a log.
  ['log_min_messages', 'warning'],
  ['log_error_verbosity', 'terse'],
  ['log_min_error_statement', 'panic'],
  ['log_parameter_max_length', '0'],
  ['log_parameter_max_length_on_error', '0'],
  ['log_checkpoints', 'off'],
  ['log_line_prefix', ''],
  ['log_timezone', 'UTC'],
  ['timezone', 'UTC'],
  // Small, and steady under load: few checkpoints, no helper processes that a single host does not need.
  ['shared_buffers', '96MB'],
  ['max_wal_size', '2GB'],
  ['checkpoint_timeout', '15min'],
  ['io_method', 'sync'],
  ['max_parallel_workers_per_gather', '0'],
  ['jit', 'off'],
  ['huge_pages', 'off'],
];
