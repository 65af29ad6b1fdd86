/** Why there is no bundle of what was asked for, and what would change that. */
export class ExportRefused extends Error {
  override readonly name = 'ExportRefused';
  readonly code: 'not_sealed' | 'not_covered' | 'too_large';

  constructor(code: ExportRefused['code'], detail: string) {
    super(detail);
    this.code = code;
  }
}
