import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import S3rver, { type S3Context, type S3Handler } from '@20minutes/s3rver';
import type { S3Address } from '../src/exportSettings.js';

/** A bucket of a real S3 server on loopback, whose credentials are in the environment. */
export interface S3House {
  readonly address: S3Address;
  /** Directory in which it keeps its objects. */
  readonly dir: string;
  /** What becomes of the next requests, one after another, in place of their answer. */
  readonly faults: Fault[];
  close(): Promise<void>;
}

/** The next request of a method: an answer of this status and code, or the connection ends, before an answer or in the middle of one, or nothing ever comes. */
export interface Fault {
  readonly method: string;
  readonly how: { readonly status: number; readonly code: string } | 'cut' | 'cut in the middle' | 'silence';
}

const BUCKET = 'bundles';

/** The server knows no conditional writes; `isConditional`: they are put before it, as AWS does them. */
export async function openS3House({ isConditional = true } = {}): Promise<S3House> {
  process.env['AWS_ACCESS_KEY_ID'] = 'S3RVER';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'S3RVER';
  const dir = mkdtempSync(join(tmpdir(), 'sworn-s3-'));
  const server = new S3rver({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory: dir,
    // It takes `/bundles/?prefix=` for another path than was signed.
    allowMismatchedSignatures: true,
    configureBuckets: [{ name: BUCKET }],
  });
  const faults: Fault[] = [];
  if (isConditional) server.middleware.unshift(writingOnce(server));
  server.middleware.unshift(failing(faults));
  server.middleware.unshift(inShortPages);
  const { port } = await server.run();
  const endpoint = `http://127.0.0.1:${port}`;
  return {
    address: { bucket: BUCKET, endpoint, region: 'us-east-1', prefix: 'some/where', isPathStyle: true },
    dir,
    faults,
    async close() {
      await server.close();
      rmSync(dir, { recursive: true });
    },
  };
}

/** `If-None-Match: *` of a PUT: 412 when there is one; of two that come at once the later one waits. */
function writingOnce({ store }: S3rver): S3Handler {
  const under = new Map<string, Promise<void>>();
  const inTurn = async (before: Promise<void> | undefined, context: S3Context, next: () => Promise<void>) => {
    await before;
    const [bucket = '', ...key] = decodeURIComponent(context.path).slice(1).split('/');
    if (!(await store.existsObject(bucket, key.join('/')))) return next();
    await swallow(context);
    return refuse(context, 412, 'PreconditionFailed');
  };
  return async (context, next) => {
    if (context.method !== 'PUT' || context.headers['if-none-match'] !== '*') return next();
    const turn = inTurn(under.get(context.path), context, next);
    under.set(
      context.path,
      turn.catch(() => undefined),
    );
    return turn;
  };
}

/** So that what is listed is on several pages. */
const inShortPages: S3Handler = async (context, next) => {
  if ('prefix' in context.query) context.query = { ...context.query, 'max-keys': '20' };
  await next();
};

function failing(faults: Fault[]): S3Handler {
  return async (context, next) => {
    const at = faults.findIndex(({ method }) => method === context.method);
    const [fault] = at === -1 ? [] : faults.splice(at, 1);
    if (fault === undefined) return next();
    const { how } = fault;
    if (how === 'cut') context.req.socket.destroy();
    else if (how === 'silence') await new Promise(() => undefined);
    else if (how === 'cut in the middle') {
      await next();
      const body = context.body as AsyncIterable<Uint8Array>;
      context.respond = false;
      context.res.writeHead(context.status, { ...context.res.getHeaders() });
      for await (const chunk of body) {
        context.res.write(chunk, () => context.req.socket.destroy());
        break;
      }
    } else {
      await swallow(context);
      refuse(context, how.status, how.code);
    }
  };
}

async function swallow({ req }: S3Context): Promise<void> {
  for await (const _ of req);
}

function refuse(context: S3Context, status: number, code: string): void {
  context.status = status;
  context.type = 'application/xml';
  context.body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>no</Message></Error>`;
}
