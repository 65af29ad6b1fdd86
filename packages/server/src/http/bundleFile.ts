import { ARCHIVE_NAME, type ExportFormat } from '@sworn/contract';
import type { KeptBundle } from '../export/keptBundles.js';

/** A file of a kept bundle, or all of it, as bytes of its ZIP from `from` on. */
export interface BundleFile {
  readonly name: string;
  readonly from: number;
  readonly size: number;
  /** Hex. */
  readonly sha256: string;
}

/** By its name; null: the bundle has none of it. */
export function bundleFile(bundle: KeptBundle, name: string): BundleFile | null {
  if (name === ARCHIVE_NAME) return { name, from: 0, size: bundle.size, sha256: bundle.sha256 };
  return bundle.parts.find((part) => part.name === name) ?? null;
}

/** Files that people and tools read by themselves, each with what it is read as; all of it first. */
export function readableFiles(
  bundle: KeptBundle,
): readonly { readonly format: ExportFormat; readonly file: BundleFile }[] {
  return [ARCHIVE_NAME, ...bundle.parts.map(({ name }) => name)].flatMap((name) => {
    const [format, file] = [formatOf(name), bundleFile(bundle, name)];
    return format === null || file === null ? [] : [{ format, file }];
  });
}

/** Records, proofs and disclosures are for verifying, and are there by name too. */
function formatOf(name: string): ExportFormat | null {
  if (name === ARCHIVE_NAME) return 'zip';
  if (/^data\/[^/]+\.otlp\.json$/.test(name)) return 'otlp';
  const [, extension] = /^data\/[^/]+\.(json|csv|html|pdf)$/.exec(name) ?? [];
  return (extension as ExportFormat | undefined) ?? null;
}

/** What a file is sent as. No HTML: nothing of what producers sent is ever shown as a page of ours, whatever a browser makes of `attachment`. */
export function mediaType(name: string): string {
  const [, extension = ''] = /\.([a-z]+)$/.exec(name) ?? [];
  return MEDIA_TYPES[extension] ?? 'application/octet-stream';
}

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  zip: 'application/zip',
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv; charset=utf-8',
  pdf: 'application/pdf',
};

/** What it is saved as: `exp_….zip`, `exp_…-report.pdf`. */
export function savedAs(exportId: string, name: string): string {
  if (name === ARCHIVE_NAME) return `${exportId}.zip`;
  const last = name.split('/').at(-1) ?? '';
  return `${exportId}-${last.replaceAll(/[^A-Za-z0-9._-]/g, '_')}`;
}
