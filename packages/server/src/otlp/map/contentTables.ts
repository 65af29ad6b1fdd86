/** OTLP.md 2.4, "step name", "tool io" and "prompt/response": first hit wins. */
export const STEP_NAME: readonly string[] = [
  'gen_ai.tool.name',
  'tool.name',
  'ai.toolCall.name',
  'tool_name',
  'traceloop.entity.name',
];

export const INSTRUCTIONS: readonly string[] = ['gen_ai.system_instructions'];

export const TOOL_INPUT: readonly string[] = [
  'gen_ai.tool.call.arguments',
  'input.value',
  'ai.toolCall.args',
  'traceloop.entity.input',
  'langfuse.observation.input',
  'gen_ai.prompt',
  'tool_input',
  'mastra.<type>.input',
];

export const TOOL_OUTPUT: readonly string[] = [
  'gen_ai.tool.call.result',
  'output.value',
  'ai.toolCall.result',
  'traceloop.entity.output',
  'langfuse.observation.output',
  'gen_ai.completion',
  'mastra.<type>.output',
];

export const PROMPT: readonly string[] = [
  'gen_ai.input.messages',
  'llm.input_messages.*',
  'ai.prompt.messages',
  'ai.prompt',
  'langfuse.observation.input',
  'traceloop.entity.input',
  'gen_ai.prompt.*',
  'gen_ai.prompt',
  'mastra.<type>.input',
  'gen_ai.retrieval.query.text',
  'input.value',
];

export const RESPONSE: readonly string[] = [
  'gen_ai.output.messages',
  'llm.output_messages.*',
  'ai.response.text',
  'ai.response.object',
  'ai.response.toolCalls',
  'langfuse.observation.output',
  'traceloop.entity.output',
  'gen_ai.completion.*',
  'gen_ai.completion',
  'mastra.<type>.output',
  'gen_ai.retrieval.documents',
  'retrieval.documents.*',
  'output.value',
];
