/** Their variables, in the order of the configuration page. */
export const EXPORT_SETTINGS = [
  {
    name: 'SWORN_EXPORT_RETENTION_DAYS',
    default: '365',
    meaning:
      'Days that a bundle made for a request is kept, 1 to 3650, then it is removed; its records in access stay. See docs/operate/exports.md.',
  },
] as const;
