declare module '@20minutes/s3rver' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  /** What a handler of it is given; of Koa. */
  export interface S3Context {
    readonly req: IncomingMessage;
    readonly res: ServerResponse;
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string | undefined>>;
    query: Readonly<Record<string, string | undefined>>;
    status: number;
    type: string;
    body: unknown;
    /** True: the handler answers by itself. */
    respond?: boolean;
  }
  export type S3Handler = (context: S3Context, next: () => Promise<void>) => Promise<void>;

  export default class S3rver {
    constructor(options: {
      readonly address: string;
      readonly port: number;
      readonly silent: boolean;
      readonly directory: string;
      readonly allowMismatchedSignatures: boolean;
      readonly configureBuckets: readonly { readonly name: string }[];
    });
    readonly middleware: S3Handler[];
    readonly store: { existsObject(bucket: string, key: string): Promise<boolean> };
    run(): Promise<{ readonly port: number }>;
    close(): Promise<void>;
  }
}
