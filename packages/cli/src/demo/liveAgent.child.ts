/**
 * An application as anyone would write it: the AI SDK with its own mock model, instrumented with the OpenTelemetry SDK,
 * told by OpenTelemetry's own environment variables where to send. A process of its own, so that nothing of it lives in
 * the server. Prints its trace id.
 */
import { context, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { generateText, stepCountIs, tool } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';
import { z } from 'zod';

const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': 'refund-desk', 'deployment.environment.name': 'demo' }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
});
provider.register();

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
root.end();
await provider.shutdown();
process.stdout.write(`${root.spanContext().traceId}\n`);
