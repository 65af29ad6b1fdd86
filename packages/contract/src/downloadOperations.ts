import { ARCHIVE_NAME, DOWNLOAD_ROUTES, downloadPath } from './downloads.js';
import { PROBLEM_CODES, PROBLEMS } from './problem.js';

type Member = Readonly<Record<string, unknown>>;

/** Downloads as OpenAPI can say them, by path: a file whose name has a slash it cannot. `problem`: the shape of refusals. */
export function downloadOperations(problem: Member): Readonly<Record<string, Member>> {
  return Object.fromEntries(
    DOWNLOAD_ROUTES.map(({ id, permission }) => [
      downloadPath('{export_id}', ARCHIVE_NAME),
      {
        get: {
          operationId: id,
          summary:
            'A bundle that was built, as one ZIP; in place of bundle.zip the name of a file of it, as endpoint 6 says them.',
          'x-permission': permission,
          parameters: PARAMETERS,
          responses: { ...ANSWERS, ...refusals(problem) },
        },
      },
    ]),
  );
}

const PARAMETERS: readonly Member[] = [
  {
    name: 'export_id',
    in: 'path',
    required: true,
    description: 'As answers show it, e.g. exp_0123456789abcdef0123456789abcdef',
    schema: { type: 'string', pattern: '^exp_[0-9a-f]{32}$' },
  },
  {
    name: 'link',
    in: 'query',
    required: false,
    description: 'Of a path that endpoint 6 gave with link=true: in place of a credential.',
    schema: { type: 'string' },
  },
  { name: 'Range', in: 'header', required: false, description: 'One range of bytes.', schema: { type: 'string' } },
  { name: 'If-Range', in: 'header', required: false, description: 'An ETag.', schema: { type: 'string' } },
];

const HEADERS: Member = {
  ETag: { description: 'Strong: the SHA-256 of the file, hex.', schema: { type: 'string' } },
  'Accept-Ranges': { schema: { type: 'string' } },
  'Content-Disposition': { description: 'attachment', schema: { type: 'string' } },
  'Repr-Digest': { description: 'RFC 9530, of the whole file.', schema: { type: 'string' } },
};
const BYTES: Member = { 'application/octet-stream': {} };

const ANSWERS: Member = {
  200: { description: 'The file.', headers: HEADERS, content: BYTES },
  206: {
    description: 'The range of it.',
    headers: { ...HEADERS, 'Content-Range': { schema: { type: 'string' } } },
    content: BYTES,
  },
  304: { description: 'It is what the ETag in If-None-Match names.' },
};

function refusals(problem: Member): Member {
  const codes = PROBLEM_CODES.filter((code) => code !== 'evidence_compromised');
  const statuses = [...new Set(codes.map((code) => PROBLEMS[code].status))];
  return Object.fromEntries(
    statuses.map((status) => [
      status,
      {
        description: codes
          .filter((code) => PROBLEMS[code].status === status)
          .map((code) => `${code}: ${PROBLEMS[code].title}`)
          .join(' · '),
        content: { 'application/problem+json': { schema: problem } },
      },
    ]),
  );
}
