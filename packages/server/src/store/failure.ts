import { DatabaseError } from 'pg';

/**
 * SQLSTATE classes whose messages name only statements, tables, roles and states. In all others (22 data, 23 constraints, …) the server
 * prints values of the row or the parameter, so their messages are dropped: a log must not become a second copy of the evidence.
 */
const QUOTABLE_CLASSES = new Set(['08', '25', '28', '3D', '40', '42', '53', '54', '55', '57', 'SW']);

/** Classes and codes after which the same transaction may succeed on another connection: connection, rollback, resources, shutdown. */
const TRANSIENT = /^(08|40|53|57P0[1-5]|25P0[34]|55P03|CONNECTION)/;

/** The database refused, or was not there. Carries nothing of any row: fields are copied by an allow-list. */
export class StoreFailure extends Error {
  override readonly name = 'StoreFailure';
  /** SQLSTATE, or `CONNECTION` when there was no answer, `CONNECTION_SILENT` when there was none in time. `SW…` codes are raised by Sworn's own triggers and functions. */
  readonly code: string;
  readonly table: string | undefined;
  readonly constraint: string | undefined;

  constructor(
    code: string,
    message: string,
    place: { readonly table?: string | undefined; readonly constraint?: string | undefined } = {},
  ) {
    super(message);
    this.code = code;
    this.table = place.table;
    this.constraint = place.constraint;
  }
}

/** Whether the same work may succeed when tried again: the connection went, the server is starting or stopping, or a lock was lost. */
export function isTransient(error: unknown): boolean {
  return error instanceof StoreFailure && TRANSIENT.test(error.code);
}

/** SQLSTATE query_canceled: a statement took longer than its role's limit. */
const QUERY_CANCELED = '57014';

/** No connection was to be had, or one at work fell silent, within the time for it. */
const SILENCE = 'CONNECTION_SILENT';

/** Whether a database that is there gave no answer in time: to ask at once again would only wait again. */
export function isSilence(error: unknown): boolean {
  return error instanceof StoreFailure && error.code === SILENCE;
}

/** Whether a statement took longer than the limit of its role. */
export function isStatementTimeout(error: unknown): boolean {
  return error instanceof StoreFailure && error.code === QUERY_CANCELED;
}

/** Whatever the driver threw, as a `StoreFailure`; errors of our own pass unchanged. */
export function toStoreFailure(error: unknown): unknown {
  if (error instanceof DatabaseError) {
    const code = error.code ?? 'XX000';
    const at = error.constraint ?? error.table;
    const message = QUOTABLE_CLASSES.has(code.slice(0, 2))
      ? error.message
      : `the database refused (${code}${at === undefined ? '' : `, ${at}`})`;
    return new StoreFailure(code, message, { table: error.table, constraint: error.constraint });
  }
  if (error instanceof Error && isConnectionLoss(error)) {
    const code = isOutOfTime(error) ? SILENCE : 'CONNECTION';
    return new StoreFailure(code, `no connection to the database: ${error.message}`);
  }
  return error;
}

/** Node's socket errors have a code such as ECONNREFUSED; the driver's own have only a message. */
function isConnectionLoss(error: Error): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  if (code !== undefined) return /^(E[A-Z]+)$/.test(code) && !code.startsWith('ERR_');
  return (
    isOutOfTime(error) ||
    /^(Connection terminated|Client has encountered a connection error|Client was closed|Cannot use a pool after)/.test(
      error.message,
    )
  );
}

/** The system's word for it, ours, and those of driver and pool. */
function isOutOfTime(error: Error): boolean {
  if ((error as NodeJS.ErrnoException).code !== undefined) return (error as NodeJS.ErrnoException).code === 'ETIMEDOUT';
  return /^(timeout expired|timeout exceeded when trying to connect|Connection terminated due to connection timeout)$/.test(
    error.message,
  );
}
