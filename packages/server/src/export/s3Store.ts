import { mkdir } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type * as S3Sdk from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import type { S3Address } from '../exportSettings.js';
import { isObjectName, type ObjectStore, StoreFailed, type StoredObject } from './objectStore.js';
import { isGone, isPassing, isTaken, isWithoutRange, s3Failure } from './s3Failure.js';
import { ScratchFile } from './scratchFile.js';

/** How often an object is sent anew before it is given up; what is only asked for is asked for as often by the SDK. */
const ATTEMPTS = 3;
/** Milliseconds until a connection stands. */
const CONNECT_MS = 5_000;
/** Milliseconds in which nothing comes or goes. */
const SILENCE_MS = 60_000;
/** An object that is sent twice, to see that the second one is refused. No name of an object begins so. */
const PROBE = '.written-once';

/** Where objects are, and what is needed to put them there. */
export interface S3StorePlace {
  readonly address: S3Address;
  /** Id of the deployment: what all keys begin with, after the prefix. */
  readonly deployment: string;
  /** Where what is sent lies until it is there: its digest is sent before it, and it can be sent again. */
  readonly scratch: string;
  readonly silenceMs?: number;
}

type Sdk = typeof S3Sdk;

/** Objects in a bucket of S3, or of what speaks its language. The SDK is loaded when it is first used: a server starts without it. */
export function createS3Store({ address, deployment, scratch, silenceMs = SILENCE_MS }: S3StorePlace): ObjectStore {
  const Bucket = address.bucket;
  const start = `${address.prefix}/${deployment}/`;
  let connected: Promise<{ readonly sdk: Sdk; readonly client: S3Client }> | null = null;
  let isProbed = false;

  function connect() {
    return (connected ??= import('@aws-sdk/client-s3').then((sdk) => ({
      sdk,
      client: clientFor(sdk, address, silenceMs),
    })));
  }
  function keyOf(name: string): string {
    if (!isObjectName(name)) throw new Error('not the name of an object');
    return `${start}${name}`;
  }
  async function told<T>(doing: Promise<T>): Promise<T> {
    return doing.catch((error: unknown) => {
      throw s3Failure(address, error);
    });
  }

  async function put(name: string, size: number, chunks: AsyncIterable<Uint8Array>): Promise<boolean> {
    const Key = keyOf(name);
    if ((await sizeOf(Key)) !== null) return false;
    await probe();
    await mkdir(scratch, { recursive: true, mode: 0o700 });
    const file = await ScratchFile.create(scratch);
    try {
      for await (const chunk of chunks) await file.write(chunk);
      if (file.size !== size) throw new Error(`an object of ${size} bytes was to be stored, and ${file.size} came`);
      return await send(Key, file);
    } finally {
      await file.close();
    }
  }

  /** Whole or not at all, as every PUT; its digest goes before it, for the store to hold against what came. */
  async function send(Key: string, file: ScratchFile): Promise<boolean> {
    const { sdk, client } = await connect();
    const ChecksumSHA256 = Buffer.from(file.sha256, 'hex').toString('base64');
    for (let attempt = 1; ; attempt++) {
      const Body = Readable.from(file.chunks());
      try {
        await client.send(
          new sdk.PutObjectCommand({ Bucket, Key, Body, ContentLength: file.size, ChecksumSHA256, IfNoneMatch: '*' }),
        );
        return true;
      } catch (error) {
        if (isTaken(error)) return false;
        if (attempt === ATTEMPTS || !isPassing(error)) throw error;
      } finally {
        Body.destroy();
      }
    }
  }

  /** Many a store takes `If-None-Match` and heeds it not: there, one bundle would be written over another in silence. */
  async function probe(): Promise<void> {
    if (isProbed) return;
    const { sdk, client } = await connect();
    const again = () =>
      client
        .send(
          new sdk.PutObjectCommand({ Bucket, Key: `${start}${PROBE}`, Body: 'Sworn writes once.\n', IfNoneMatch: '*' }),
        )
        .then(
          () => false,
          (error: unknown) => {
            if (isTaken(error)) return true;
            throw error;
          },
        );
    if (!(await again()) && !(await again()))
      throw new StoreFailed(
        'failed',
        `${address.endpoint ?? 'S3'} writes over what is in bucket ${Bucket} though asked not to (If-None-Match): take a store with conditional writes, or unset SWORN_EXPORT_S3_BUCKET`,
      );
    isProbed = true;
  }

  async function sizeOf(Key: string): Promise<number | null> {
    const { sdk, client } = await connect();
    try {
      return (await client.send(new sdk.HeadObjectCommand({ Bucket, Key }))).ContentLength ?? 0;
    } catch (error) {
      if (isGone(error)) return null;
      throw error;
    }
  }

  async function* read(name: string, from: number, to: number): AsyncGenerator<Uint8Array> {
    if (to <= from) return;
    const Key = keyOf(name);
    try {
      const { sdk, client } = await connect();
      const answer = await client.send(new sdk.GetObjectCommand({ Bucket, Key, Range: `bytes=${from}-${to - 1}` }));
      if (answer.ContentRange?.startsWith(`bytes ${from}-`) !== true)
        throw new StoreFailed(
          'failed',
          `${address.endpoint ?? 'S3'} gives no ranges of an object: take a store that does`,
        );
      let left = to - from;
      for await (const chunk of answer.Body as AsyncIterable<Uint8Array>) {
        yield chunk.subarray(0, left);
        left -= chunk.length;
        // Some take `0-0` for no end.
        if (left <= 0) return;
      }
    } catch (error) {
      if (!isWithoutRange(error)) throw s3Failure(address, error);
    }
  }

  async function* list(prefix: string): AsyncGenerator<StoredObject> {
    const { sdk, client } = await connect();
    let Marker: string | undefined;
    for (;;) {
      // The first version of it, which every store has; the second one asks the same.
      const asked = { Bucket, Prefix: `${start}${prefix}`, ...(Marker === undefined ? {} : { Marker }) };
      const page = await told(client.send(new sdk.ListObjectsCommand(asked)));
      for (const { Key, Size, LastModified } of page.Contents ?? []) {
        const name = Key?.slice(start.length) ?? '';
        if (isObjectName(name)) yield { name, size: Size ?? 0, writtenAt: LastModified?.getTime() ?? Date.now() };
      }
      Marker = page.Contents?.at(-1)?.Key;
      if (page.IsTruncated !== true || Marker === undefined) return;
    }
  }

  return {
    put: (name, size, chunks) => told(put(name, size, chunks)),
    size: (name) => told(sizeOf(keyOf(name))),
    read,
    async remove(name) {
      const Key = keyOf(name);
      const { sdk, client } = await connect();
      await told(
        client.send(new sdk.DeleteObjectCommand({ Bucket, Key })).catch((error: unknown) => {
          if (!isGone(error)) throw error;
        }),
      );
    },
    list,
    // A PUT that ends early leaves nothing.
    sweepDrafts: () => Promise.resolve(),
  };
}

/** Credentials as the SDK finds them. What is read is authenticated by its seal, so it brings no checksum. */
function clientFor({ S3Client }: Sdk, { endpoint, region, isPathStyle }: S3Address, silenceMs: number): S3Client {
  const quiet = (): void => undefined;
  return new S3Client({
    ...(endpoint === null ? {} : { endpoint }),
    ...(region === null ? {} : { region }),
    forcePathStyle: isPathStyle,
    maxAttempts: ATTEMPTS,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: silenceMs },
    // It would write to the console.
    logger: { trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet },
  });
}
