import { Agent, request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** Sends OTLP requests over a few connections. */
export interface Poster {
  /** Resolves when the server has acknowledged it as durable; waits and tries again when told to. */
  post(body: Buffer): Promise<void>;
  close(): void;
}

/** An answer 429 or 503 is tried again for so long. */
const PATIENCE_MS = 60_000;

/** What is sent, and over how many connections: traces as protobuf, log records as JSON. */
export interface Posted {
  readonly connections: number;
  readonly signal?: 'traces' | 'logs';
}

export function openPoster(otlpHttp: string, ingestKey: string, { connections, signal = 'traces' }: Posted): Poster {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const url = new URL(`/v1/${signal}`, otlpHttp);
  const once = (body: Buffer): Promise<{ status: number; retryAfterS: number }> =>
    new Promise((resolve, reject) => {
      const headers = {
        'content-type': signal === 'logs' ? 'application/json' : 'application/x-protobuf',
        'content-length': body.length,
        authorization: `Bearer ${ingestKey}`,
      };
      const outgoing = httpRequest(url, { method: 'POST', agent, headers }, (answer) => {
        answer.resume();
        answer.once('end', () =>
          resolve({ status: answer.statusCode ?? 0, retryAfterS: Number(answer.headers['retry-after'] ?? 1) }),
        );
      });
      outgoing.once('error', reject);
      outgoing.end(body);
    });
  return {
    async post(body) {
      const begun = performance.now();
      for (;;) {
        const { status, retryAfterS } = await once(body);
        if (status === 200) return;
        if (status !== 429 && status !== 503) throw new Error(`the server answered ${status}`);
        if (performance.now() - begun > PATIENCE_MS) throw new Error('the server took nothing for a minute');
        await sleep(retryAfterS * 1000);
      }
    },
    close: () => agent.destroy(),
  };
}
