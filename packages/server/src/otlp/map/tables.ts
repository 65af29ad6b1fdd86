import type { Source } from './source.js';

/**
 * The mapping of OTLP.md 2.4 as data: first hit wins, top to bottom. A change of meaning raises the version, which stands
 * in every leaf that was mapped.
 */
export const MAPPING_VERSION = 1;

/** CONTRACT.md §3, endpoint 3. */
export type StepKind =
  | 'LLM'
  | 'TOOL'
  | 'AGENT'
  | 'HANDOFF'
  | 'RETRIEVAL'
  | 'EMBEDDING'
  | 'GUARDRAIL'
  | 'EVALUATION'
  | 'CHAIN'
  | 'INFRA'
  | 'OTHER';

/** What a span says of how it ended beyond its status code; kept in the STEP leaf, since the words it comes from are not. */
export type Mark = 'failed' | 'interrupt' | 'tripwire' | 'denied' | 'cancelled' | 'timeout' | 'budget' | 'rate_limited';

/** Attributes that name a span's kind, and what their values (lower-case) mean. A value that is not here says nothing. */
export const KINDS: readonly (readonly [source: Source, meanings: ReadonlyMap<string, StepKind>])[] = [
  [
    'openinference.span.kind',
    meanings({
      LLM: 'llm',
      CHAIN: 'chain prompt',
      TOOL: 'tool',
      RETRIEVAL: 'retriever reranker',
      EMBEDDING: 'embedding',
      AGENT: 'agent',
      GUARDRAIL: 'guardrail',
      EVALUATION: 'evaluator',
    }),
  ],
  [
    'langfuse.observation.type',
    meanings({
      LLM: 'generation',
      CHAIN: 'chain span',
      TOOL: 'tool',
      RETRIEVAL: 'retriever',
      EMBEDDING: 'embedding',
      AGENT: 'agent',
      GUARDRAIL: 'guardrail',
      EVALUATION: 'evaluator',
      OTHER: 'event',
    }),
  ],
  [
    'mastra.span.type',
    meanings({
      LLM: 'model_generation model_inference llm_generation',
      CHAIN:
        'model_step model_chunk workflow_run workflow_step workflow_conditional workflow_parallel workflow_loop workflow_sleep workflow_wait_event generic',
      TOOL: 'tool_call mcp_tool_call client_tool_call provider_tool_call',
      AGENT: 'agent_run',
      GUARDRAIL: 'processor_run',
    }),
  ],
  [
    'langsmith.span.kind',
    meanings({
      LLM: 'llm',
      CHAIN: 'chain prompt parser',
      TOOL: 'tool',
      RETRIEVAL: 'retriever',
      EMBEDDING: 'embedding',
      AGENT: 'agent',
    }),
  ],
  [
    'span.type',
    meanings({
      LLM: 'llm_request',
      AGENT: 'interaction',
      TOOL: 'tool tool.execution',
      GUARDRAIL: 'tool.blocked_on_user',
      CHAIN: 'hook',
    }),
  ],
  [
    'ai.operationId',
    meanings({
      LLM: 'ai.generatetext.dogenerate ai.streamtext.dostream ai.generateobject.dogenerate ai.streamobject.dostream',
      EMBEDDING: 'ai.embed ai.embed.doembed ai.embedmany ai.embedmany.doembed',
      TOOL: 'ai.toolcall',
      RETRIEVAL: 'ai.rerank ai.rerank.dorerank',
      CHAIN: 'ai.generatetext ai.streamtext ai.generateobject ai.streamobject',
    }),
  ],
  [
    'gen_ai.operation.name',
    meanings({
      LLM: 'chat text_completion generate_content fetch_response model_generation model_inference',
      EMBEDDING: 'embeddings',
      RETRIEVAL: 'retrieval search_memory',
      TOOL: 'execute_tool',
      AGENT: 'invoke_agent create_agent',
      GUARDRAIL: 'run_guardrail apply_guardrail processor_run',
      CHAIN: 'invoke_workflow plan agent_step workflow_step workflow chain model_chunk model_step task',
      OTHER: 'create_memory update_memory upsert_memory delete_memory create_memory_store delete_memory_store',
    }),
  ],
  ['traceloop.span.kind', meanings({ CHAIN: 'workflow task session', AGENT: 'agent', TOOL: 'tool' })],
  ['mcp.method.name', meanings({ TOOL: 'tools/call', RETRIEVAL: 'resources/read', CHAIN: 'prompts/get' })],
];

/** A span with any of these is a vector search. */
export const VECTOR_QUERY_PREFIXES: readonly string[] = ['db.vector.', 'db.query.result.', 'db.search.'];

/** Databases that are asked by vector. */
export const VECTOR_SYSTEMS: ReadonlySet<string> = new Set(
  'chroma chromadb milvus pinecone qdrant weaviate lancedb pgvector vespa marqo'.split(' '),
);

/** A span with any of these, and nothing above, is plumbing. */
export const INFRA_ATTRIBUTES: readonly string[] = [
  'http.request.method',
  'http.method',
  'rpc.system',
  'rpc.system.name',
  'db.system',
  'db.system.name',
  'messaging.system',
  'mcp.method.name',
  'dns.question.name',
];

/** A tool of this name hands the turn to another agent, whatever kind its span claims. */
export const HANDOFF_TOOL = /^(?:transfer_to_|handoff_to_)/;
export const HANDOFF_SPAN = /^handoff to \S/;

export const PROVIDER: readonly Source[] = [
  'gen_ai.provider.name',
  'llm.provider',
  'gen_ai.system',
  'llm.system',
  'langsmith.metadata.ls_provider',
  ['metadata', 'ls_provider'],
];

/** `openai.chat`: the provider stands before the first dot. */
export const PROVIDER_BEFORE_DOT: Source = 'ai.model.provider';
export const PROVIDER_LAST: Source = 'server.address';

/** What calls itself a provider and is a framework or a test double. */
export const NO_PROVIDER =
  /^(?:langchain|langgraph|mastra|llama_?index|crewai|autogen|haystack|dspy|traceloop|mock|fake)/i;

export const REQUEST_MODEL: readonly Source[] = [
  'gen_ai.request.model',
  'llm.request.model_name',
  'ai.model.id',
  'langsmith.metadata.ls_model_name',
  'model',
];

export const RESPONSE_MODEL: readonly Source[] = [
  'gen_ai.response.model',
  'llm.response.model_name',
  'ai.response.model',
  'llm.model_name',
  'langfuse.observation.model.name',
];

const USAGE_DETAILS = 'langfuse.observation.usage_details';

/** Inclusive of what the cache gave, by the words of these vocabularies; 2.5 rule 1 corrects those that are not. */
export const INPUT_TOKENS: readonly Source[] = [
  'gen_ai.usage.input_tokens',
  'gen_ai.usage.prompt_tokens',
  'llm.token_count.prompt',
  'ai.usage.inputTokens',
  'ai.usage.promptTokens',
  [USAGE_DETAILS, 'input'],
  'input_tokens',
  'input_token_count',
  'ai.usage.tokens',
];

export const OUTPUT_TOKENS: readonly Source[] = [
  'gen_ai.usage.output_tokens',
  'gen_ai.usage.completion_tokens',
  'llm.token_count.completion',
  'ai.usage.outputTokens',
  'ai.usage.completionTokens',
  [USAGE_DETAILS, 'output'],
  'output_tokens',
  'output_token_count',
];

export const CACHE_READ_TOKENS: readonly Source[] = [
  'gen_ai.usage.cache_read.input_tokens',
  'gen_ai.usage.cache_read_input_tokens',
  ['gen_ai.usage.input_token_details', 'cache_read'],
  'llm.token_count.prompt_details.cache_read',
  'llm.token_count.prompt_details.cache_input',
  'ai.usage.cachedInputTokens',
  'ai.usage.inputTokenDetails.cacheReadTokens',
  [USAGE_DETAILS, 'input_cached_tokens'],
  'cache_read_tokens',
  'cached_token_count',
];

export const CACHE_WRITE_TOKENS: readonly Source[] = [
  'gen_ai.usage.cache_write.input_tokens',
  'gen_ai.usage.cache_creation.input_tokens',
  'gen_ai.usage.cache_creation_input_tokens',
  'llm.token_count.prompt_details.cache_write',
  'ai.usage.inputTokenDetails.cacheWriteTokens',
  'cache_creation_tokens',
  'cache_write_token_count',
];

export const REASONING_TOKENS: readonly Source[] = [
  'gen_ai.usage.reasoning.output_tokens',
  'gen_ai.usage.reasoning_tokens',
  'llm.token_count.completion_details.reasoning',
  'ai.usage.reasoningTokens',
  'ai.usage.outputTokenDetails.reasoningTokens',
  [USAGE_DETAILS, 'output_reasoning_tokens'],
  'reasoning_token_count',
];

/** Sources whose input never includes the cache (Claude Code). */
export const DISJOINT_INPUT: ReadonlySet<Source> = new Set<Source>(['input_tokens']);

/** The document of all buckets, by which Langfuse's own sums are judged. */
export const USAGE_BUCKETS = USAGE_DETAILS;

/** US dollars. */
export const REPORTED_COST: readonly Source[] = [
  'llm.cost.total',
  ['langfuse.observation.cost_details', 'total'],
  'gen_ai.usage.cost',
  'gen_ai.usage.total_cost',
];

export const FINISH_REASONS: readonly Source[] = [
  'gen_ai.response.finish_reasons',
  'llm.finish_reason',
  'ai.response.finishReason',
  'stop_reason',
];

/** One word for what vendors write differently. */
export const FINISH_REASON_WORDS: ReadonlyMap<string, string> = new Map([
  ['tool-calls', 'tool_calls'],
  ['tool_call', 'tool_calls'],
  ['tool_use', 'tool_calls'],
]);

export const RESPONSE_ID: readonly Source[] = ['gen_ai.response.id', 'ai.response.id'];

export const TOOL: readonly Source[] = ['gen_ai.tool.name', 'tool.name', 'ai.toolCall.name', 'tool_name'];

/** Names a tool only on a span of that kind. */
export const ENTITY_NAME: Source = 'traceloop.entity.name';

export const RUN_HINT: readonly Source[] = ['mastra.metadata.runId', 'prompt.id', 'turn.id'];

export const CONVERSATION: readonly Source[] = [
  'gen_ai.conversation.id',
  'session.id',
  'langfuse.session.id',
  'traceloop.association.properties.session_id',
  'mastra.metadata.threadId',
  'mastra.metadata.sessionId',
  'langsmith.metadata.thread_id',
  'langsmith.metadata.session_id',
  'langsmith.metadata.conversation_id',
  ['metadata', 'thread_id'],
  ['metadata', 'session_id'],
  'ai.settings.context.sessionId',
  'ai.telemetry.metadata.sessionId',
  'conversation.id',
  'microsoft.session.id',
];

export const HUMAN: readonly Source[] = [
  'user.id',
  'enduser.id',
  'langfuse.user.id',
  'traceloop.association.properties.user_id',
  'mastra.metadata.userId',
  'langsmith.metadata.user_id',
  ['metadata', 'user_id'],
  'ai.telemetry.metadata.userId',
  'microsoft.agent.user.id',
];

export const AGENT: readonly Source[] = [
  'gen_ai.agent.id',
  'gen_ai.agent.name',
  'agent.name',
  'graph.node.id',
  'ai.telemetry.functionId',
];

export const ERROR_TYPE: readonly Source[] = ['error.type'];

/** Of the resource. */
export const SERVICE: readonly Source[] = ['service.name'];
export const ENVIRONMENT: readonly Source[] = ['deployment.environment.name', 'deployment.environment'];
export const RELEASE: readonly Source[] = ['service.version'];

/** Of the span, where the resource says nothing. */
export const SPAN_ENVIRONMENT: readonly Source[] = ['langfuse.environment'];
export const SPAN_RELEASE: readonly Source[] = ['langfuse.release', 'langfuse.version'];

/** Values (lower-case) by which a vendor says that a span failed, whatever its status code. */
export const FAILED_VALUES: readonly (readonly [source: Source, value: string])[] = [
  ['langfuse.observation.level', 'error'],
  ['success', 'false'],
  ['mastra.agent_run.status', 'failed'],
  ['mastra.workflow_run.status', 'failed'],
  ['mastra.workflow_step.status', 'failed'],
];

/** Looked for in error type, exception type and status message of a span that failed. */
export const FAILURE_PATTERNS: readonly (readonly [mark: Mark, pattern: RegExp])[] = [
  ['cancelled', /\b(?:AbortError|CancelledError|KeyboardInterrupt|cancell?ed by (?:the )?user|request was aborted)\b/i],
  ['timeout', /time[ds]?[ _-]?out|deadline/i],
  [
    'budget',
    /insufficient_quota|quota exceeded|exceeded your current quota|budget|MaxTurnsExceeded|GraphRecursionError/i,
  ],
  ['rate_limited', /(?:^|\n)429\b|rate[ _-]?limit|too many requests/i],
];

function meanings(byKind: Partial<Record<StepKind, string>>): ReadonlyMap<string, StepKind> {
  const entries = Object.entries(byKind) as [StepKind, string][];
  return new Map(entries.flatMap(([kind, words]) => words.split(' ').map((word) => [word, kind] as const)));
}
