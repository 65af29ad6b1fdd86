import { connect, type Socket } from 'node:net';
import type { House } from './facadeHouse.js';

/** An answer as a client sees it. */
export interface Got {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers whose schema other tests check
  readonly json: any;
}

/** Asks with this key, or none. */
export async function get(
  house: House,
  path: string,
  key: string | null,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Got> {
  const answer = await fetch(house.url + path, {
    method,
    headers: { ...(key === null ? {} : { authorization: `Bearer ${key}` }), ...headers },
  });
  const text = await answer.text();
  const isJson =
    answer.headers.get('content-type')?.includes('json') === true &&
    !answer.headers.get('content-type')?.includes('ndjson');
  return {
    status: answer.status,
    headers: answer.headers,
    text,
    json: isJson && text !== '' ? JSON.parse(text) : null,
  };
}

/** Sends these exact bytes and returns what comes back until the server closes. */
export function raw(house: House, request: string): Promise<string> {
  const { port } = new URL(house.url);
  return new Promise((resolve, reject) => {
    let answer = '';
    connect(Number(port), '127.0.0.1', function (this: Socket) {
      this.write(request);
    })
      .on('data', (chunk) => (answer += chunk.toString('latin1')))
      .on('error', reject)
      .on('close', () => resolve(answer));
  });
}

/** Access records of a tenant, oldest first, as their leaves say them. */
export async function accessRecords(house: House, tenantId: string): Promise<Record<string, unknown>[]> {
  const rows = await house.database.admin<{ leaf: Buffer }>(
    `select leaf from sworn.leaf where tenant_id = $1 and log = 'access' order by leaf_index`,
    [tenantId],
  );
  return rows.map((row) => JSON.parse(row.leaf.toString('utf8')) as Record<string, unknown>);
}
