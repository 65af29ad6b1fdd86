import { describe, expect, it } from 'vitest';
import { readConfig } from '../src/config.js';

const HOME = { HOME: '/home/somebody' };
const read = (settings: Readonly<Record<string, string>>) => {
  const { exportRetentionDays, exportS3 } = readConfig({ ...HOME, ...settings });
  return { exportRetentionDays, exportS3 };
};

describe('where bundles are kept, and how long', () => {
  it('is in files, for a year, where nothing is said', () => {
    expect(read({})).toEqual({ exportRetentionDays: 365, exportS3: null });
  });

  it('is a bucket of AWS, or of another S3', () => {
    expect(read({ SWORN_EXPORT_S3_BUCKET: 'evidence', SWORN_EXPORT_RETENTION_DAYS: '30' })).toEqual({
      exportRetentionDays: 30,
      exportS3: { bucket: 'evidence', endpoint: null, region: null, prefix: 'sworn', isPathStyle: false },
    });
    const own = {
      SWORN_EXPORT_S3_BUCKET: 'evidence',
      SWORN_EXPORT_S3_ENDPOINT: 'https://s3.example:9000',
      SWORN_EXPORT_S3_REGION: 'eu-central-1',
      SWORN_EXPORT_S3_PREFIX: 'our/evidence',
      SWORN_EXPORT_S3_PATH_STYLE: 'true',
    };
    expect(read(own).exportS3).toEqual({
      bucket: 'evidence',
      endpoint: 'https://s3.example:9000',
      region: 'eu-central-1',
      prefix: 'our/evidence',
      isPathStyle: true,
    });
  });

  it.each([
    ['SWORN_EXPORT_RETENTION_DAYS', '0'],
    ['SWORN_EXPORT_RETENTION_DAYS', '3651'],
    ['SWORN_EXPORT_S3_BUCKET', 'Evidence'],
    ['SWORN_EXPORT_S3_BUCKET', '../x'],
    ['SWORN_EXPORT_S3_ENDPOINT', 'http://s3.example'],
    ['SWORN_EXPORT_S3_ENDPOINT', 'https://user:secret@s3.example'],
    ['SWORN_EXPORT_S3_ENDPOINT', 'https://s3.example/path'],
    ['SWORN_EXPORT_S3_PREFIX', '/x'],
    ['SWORN_EXPORT_S3_PREFIX', 'x/'],
    ['SWORN_EXPORT_S3_PATH_STYLE', 'yes'],
  ])('is refused by name when %s is %s', (name, value) => {
    expect(() => read({ SWORN_EXPORT_S3_BUCKET: 'evidence', [name]: value })).toThrow(name);
  });

  it('is refused when a bucket is spoken of and none is named', () => {
    expect(() => read({ SWORN_EXPORT_S3_REGION: 'eu-central-1' })).toThrow('SWORN_EXPORT_S3_BUCKET');
  });
});
