import { type Agent, request } from 'node:http';

/** How to ask. */
export interface Asker {
  readonly agent: Agent;
  readonly readerKey: string;
}

/** What came back, to the last byte. */
export interface Got {
  readonly status: number;
  readonly body: Buffer;
}

/** Asks one question of the facade. `accept`: JSON unless told otherwise. */
export function get({ agent, readerKey }: Asker, url: string, accept = 'application/json'): Promise<Got> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${readerKey}`, accept };
    const outgoing = request(url, { agent, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.once('error', reject);
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks) }));
    });
    outgoing.once('error', reject);
    outgoing.end();
  });
}

/** Asks for JSON that has to be there. @throws Error with the status. */
export async function getJson<T>(asker: Asker, url: string): Promise<T> {
  const { status, body } = await get(asker, url);
  if (status !== 200) throw new Error(`the facade answered ${status}: ${body.toString('utf8').slice(0, 300)}`);
  return JSON.parse(body.toString('utf8')) as T;
}
