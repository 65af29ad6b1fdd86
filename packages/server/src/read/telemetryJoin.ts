import type { JoinRule } from '@sworn/contract';
import type { Attributes } from '../otlp/attributes.js';
import type { TelemetryRules } from '../otlp/map/telemetryRules.js';
import type { BatchKey } from '../store/telemetry.js';
import type { ReadDeps } from './reading.js';

/** One way from a run to metrics. */
export interface JoinWay {
  readonly rule: JoinRule;
  readonly key: BatchKey;
}

/**
 * The ways by which a resource leads to metrics (OTLP.md 5.2), in rounds: the next one is gone only where those before led to nothing. The first
 * is by what the resource itself names, strongest first; then what the operator bound its service to; then its service alone.
 */
export async function joinWays(
  deps: Pick<ReadDeps, 'tokenOf' | 'telemetryRules'>,
  tenantId: string,
  attributes: Attributes,
): Promise<readonly (readonly JoinWay[])[]> {
  const text = (name: string): string | null => attributes.text(name);
  const [instance, container, pod, host, hostName, service] = [
    'service.instance.id',
    'container.id',
    'k8s.pod.uid',
    'host.id',
    'host.name',
    'service.name',
  ].map(text);
  const pid = attributes.get('process.pid');
  const environment = text('deployment.environment.name') ?? text('deployment.environment');
  const own: JoinWay[] = [];
  if (instance != null) own.push({ rule: 'service.instance.id', key: { by: 'instance', value: instance } });
  if (host != null && isPid(pid))
    own.push({ rule: 'process.pid+host.id', key: { by: 'process', hostId: host, pid: Number(pid) } });
  if (container != null) own.push({ rule: 'container.id', key: { by: 'container', value: container } });
  if (pod != null) own.push({ rule: 'k8s.pod.uid', key: { by: 'pod', value: pod } });
  if (host != null) own.push({ rule: 'host.id', key: { by: 'host', value: host } });
  const tokenOf = (name: string): Promise<string> => deps.tokenOf(tenantId, name);
  if (hostName != null) own.push({ rule: 'host.name', key: { by: 'host_name', value: await tokenOf(hostName) } });
  if (service == null) return [own];
  const bound = await boundKeys(deps.telemetryRules, { service, environment }, tokenOf);
  return [own, bound, [{ rule: 'service.name', key: { by: 'service', value: service, environment } }]];
}

function isPid(value: unknown): value is bigint {
  return typeof value === 'bigint' && value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER);
}

async function boundKeys(
  { bindings }: TelemetryRules,
  { service, environment }: { readonly service: string; readonly environment: string | null },
  tokenOf: (name: string) => Promise<string>,
): Promise<JoinWay[]> {
  const ways: JoinWay[] = [];
  for (const binding of bindings) {
    if (binding.service !== service || (binding.environment ?? environment) !== environment) continue;
    const { by, value } = binding.to;
    if (by === 'host_id') ways.push({ rule: 'binding', key: { by: 'host', value } });
    else if (by === 'host_name') ways.push({ rule: 'binding', key: { by: 'host_name', value: await tokenOf(value) } });
    else ways.push({ rule: 'binding', key: { by: 'service', value, environment: null } });
  }
  return ways;
}
