/** What an application sends, in OTLP's own words. */
export type SignalName = 'traces' | 'logs' | 'metrics';

/** All that are taken. */
export const SIGNAL_NAMES: readonly SignalName[] = ['traces', 'logs', 'metrics'];
