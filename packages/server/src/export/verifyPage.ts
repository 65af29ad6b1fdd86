/** How to check what all bundles have, by hand or with the verifier. */
const CHECKING = `# How to check this bundle

This is an evidence bundle of Sworn, format sworn.bundle/1. Nothing in it has to be believed: each record is an exact byte string, its hash lies in a
Merkle tree (RFC 6962), and the tree's root is signed (C2SP checkpoint). What is needed beside it is one line, the verifier key of the log, from whoever
runs Sworn, by another way than this file: \`trust/keys.txt\` is there for convenience and proves nothing.

## With the verifier

    node verify.mjs bundle.zip --key key.txt
    sworn verify bundle.zip --key key.txt

Exit code 0: everything agrees, under the key you pinned. 1: something was changed; each finding names the file, what was expected and what was found. 2: it
could not be looked at. 3: nothing contradicts anything, but no key was pinned, so nobody says that these are the records of that log.

## By hand

- The archive: \`python3 -m zipfile -t bundle.zip\`, then unpack it somewhere.
- The files: \`sha256sum -c manifest-sha256.txt\` and \`sha256sum -c tagmanifest-sha256.txt\`.
- A record: each line of \`data/records/<log>.ndjson\` is the byte string that was hashed, without its line end. Its hash is SHA-256 of a zero byte and the line:
  \`head -1 data/records/llm-runs.ndjson | tr -d '\\n' | { printf '\\0'; cat; } | sha256sum\`
- The signature, with the key as PEM (\`sworn log key --pem\`):
  \`sed '/^$/,$d' proofs/llm-runs/checkpoint > text\`
  \`sed -n 's/^— [^ ]* //p' proofs/llm-runs/checkpoint | head -1 | base64 -d | tail -c +5 > signature\`
  \`openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in text -sigfile signature\`
- The place of one record in the tree: \`proofs/<log>/<index>.tlog-proof\`, a C2SP tlog-proof, read by any tool for transparency logs.

`;

/** `VERIFY.md` of the bundle of a run: part of the format, the same in every one. */
export const VERIFY_PAGE = `${CHECKING}## What is what

| file | |
|---|---|
| \`data/statement.json\` | what the bundle is about, at which sizes of the logs, how much is shown, withheld, disclosed |
| \`data/records/<log>.ndjson\` | the records: these are the evidence |
| \`data/disclosures/<log>.ndjson\` | contents, with the salt that proves each to be what its record committed to |
| \`data/envelope.json\`, \`trace.json\`, \`governance.json\`, \`replay.json\`, \`events.csv\` | made of the records alone; the verifier makes them again and compares. In a bundle of several runs each run has its own, under \`data/runs/<n>/\`, with \`leaves.json\`: which records are that run's |
| \`data/spans.otlp.json\`, \`report.html\`, \`report.pdf\` | for reading and for other tools; not evidence |
| \`proofs/<log>/checkpoint\`, \`range.json\`, \`<index>.tlog-proof\` | the signed root, and the proof that the records lie under it |
| \`attestation.dsse.json\` | who asked for this bundle, when it was made, who had it before; signed |

What a bundle cannot say: that what the application reported was true. It says which key reported it, when it was recorded, and that nothing changed since.
`;

/** `VERIFY.md` of a bundle of logs. */
export const VERIFY_LOGS_PAGE = `${CHECKING.replaceAll('llm-runs', '<log>')}## What is what

| file | |
|---|---|
| \`data/statement.json\` | which logs and which period, at which sizes of the logs, how much is shown, withheld, disclosed |
| \`data/records/<log>.ndjson\` | the records: these are the evidence |
| \`data/disclosures/<log>.ndjson\` | contents, with the salt that proves each to be what its record committed to |
| \`data/events.csv\` | a row for each record, made of the records alone; the verifier makes it again and compares |
| \`proofs/<log>/checkpoint\`, \`range.json\`, \`<index>.tlog-proof\` | the signed root, and the proof that the records lie under it |
| \`proofs/<log>/boundary.ndjson\` | the record just before the period and the one just after it: between them lie those of the period, and no other |
| \`proofs/<log>/withheld.json\` | records of the period that are not shown, as bare hashes: of a sample those that were not drawn |
| \`attestation.dsse.json\` | who asked for this bundle, when it was made, who had it before; signed |

What a bundle cannot say: that what an application reported was true, or that it reported everything. It says which key reported it, when it was recorded,
and that nothing changed since.
`;
