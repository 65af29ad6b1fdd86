/**
 * An application as anyone would write it: the AI SDK with its own mock model, instrumented with the OpenTelemetry SDK,
 * told by OpenTelemetry's own environment variables where to send. It logs, and measures its machine and itself, under the same
 * resource, which is what ties all of it to its run. A process of its own, so that nothing of it lives in the server.
 * Prints its trace id.
 */
import { context, trace } from '@opentelemetry/api';
import { type LogRecord, SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { HostMetrics } from '@opentelemetry/host-metrics';
import {
  detectResources,
  hostDetector,
  processDetector,
  resourceFromAttributes,
  serviceInstanceIdDetector,
} from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { generateText, stepCountIs, tool } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';
import { z } from 'zod';

const resource = resourceFromAttributes({
  'service.name': 'refund-desk',
  'deployment.environment.name': 'demo',
}).merge(detectResources({ detectors: [hostDetector, processDetector, serviceInstanceIdDetector] }));

const provider = new NodeTracerProvider({
  resource,
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
});
provider.register();

const loggerProvider = new LoggerProvider({
  resource,
  processors: [new BatchLogRecordProcessor(new OTLPLogExporter())],
});
const logger = loggerProvider.getLogger('refund-desk');
const log = (record: LogRecord) =>
  logger.emit({ severityNumber: SeverityNumber.INFO, severityText: 'INFO', ...record });
log({ eventName: 'sworn.system.startup', body: 'refund-desk is ready' });

const meterProvider = new MeterProvider({
  resource,
  readers: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter() })],
});
new HostMetrics({ meterProvider }).start();
// The run is over long before the first interval is: it is measured before, during and after.
await meterProvider.forceFlush();

const usage = (input: number, output: number) => ({
  inputTokens: { total: input, noCache: input, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: output, text: output, reasoning: 0 },
});

/** First asks for the tool, then answers with what it said. */
const model = new MockLanguageModelV3({
  provider: 'mock-provider',
  modelId: 'mock-model',
  doGenerate: [
    {
      content: [{ type: 'tool-call', toolCallId: 'call-1', toolName: 'findOrder', input: '{"order":"A-1042"}' }],
      finishReason: { unified: 'tool-calls', raw: 'tool_calls' },
      usage: usage(52, 18),
      warnings: [],
    },
    {
      content: [{ type: 'text', text: 'Order A-1042 was delivered late, so the refund of 20 EUR is due.' }],
      finishReason: { unified: 'stop', raw: 'stop' },
      usage: usage(96, 21),
      warnings: [],
    },
  ],
});

const tracer = trace.getTracer('refund-desk');
const root = tracer.startSpan('answer refund question');
await context.with(trace.setSpan(context.active(), root), async () => {
  await generateText({
    model,
    prompt: 'Is a refund due for order A-1042?',
    stopWhen: stepCountIs(3),
    tools: {
      findOrder: tool({
        description: 'Looks an order up',
        inputSchema: z.object({ order: z.string() }),
        execute: async ({ order }) => {
          log({ body: `asking the carrier about ${order}` });
          log({
            severityNumber: SeverityNumber.WARN,
            severityText: 'WARN',
            body: 'the carrier answered with yesterday’s data',
          });
          return { order, delivered: 'late', refundEur: 20 };
        },
      }),
    },
    experimental_telemetry: { isEnabled: true, functionId: 'refund-desk', tracer },
  });
  log({
    eventName: 'sworn.audit.event',
    body: 'a refund of 20 EUR is below the limit of 50 EUR',
    attributes: {
      'sworn.audit.action': 'refund.pay',
      'sworn.audit.entity.type': 'order',
      'sworn.audit.entity.id': 'A-1042',
      'sworn.audit.actor.type': 'AGENT',
      'sworn.audit.actor.id': 'refund-desk',
      'sworn.audit.category': 'THRESHOLD_CHECK',
      'sworn.audit.policy.id': 'refunds-without-asking',
      'sworn.audit.observed': 20,
      'sworn.audit.threshold': 50,
      'sworn.audit.unit': 'EUR',
      'sworn.audit.decision': 'allow',
    },
  });
});
await meterProvider.forceFlush();
root.end();
await provider.shutdown();
await loggerProvider.shutdown();
await meterProvider.shutdown();
process.stdout.write(`${root.spanContext().traceId}\n`);
