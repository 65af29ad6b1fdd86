/**
 * An application as anyone would write it: the AI SDK with its own mock model, instrumented with the OpenTelemetry SDK,
 * told by OpenTelemetry's own environment variables where to send. It measures its machine and itself too, under the same
 * resource, which is what ties the metrics to its run. A process of its own, so that nothing of it lives in the server.
 * Prints its trace id.
 */
import { context, trace } from '@opentelemetry/api';
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
        execute: async ({ order }) => ({ order, delivered: 'late', refundEur: 20 }),
      }),
    },
    experimental_telemetry: { isEnabled: true, functionId: 'refund-desk', tracer },
  });
});
await meterProvider.forceFlush();
root.end();
await provider.shutdown();
await meterProvider.shutdown();
process.stdout.write(`${root.spanContext().traceId}\n`);
