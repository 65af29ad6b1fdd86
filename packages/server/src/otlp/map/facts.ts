import type { LogView } from '../logRecord.js';
import type { EventView, SpanView } from '../span.js';
import { decisionsSaid } from './decisions.js';
import type { Facts } from './governance.js';
import type { StepFields } from './step.js';
import type { Mapping, Mark } from './tables.js';

/** What of a step its mapping said, as its leaf has it. */
export type FactsOfStep = Pick<
  StepFields,
  'step_kind' | 'status' | 'marks' | 'finish_reasons' | 'error_type' | 'tool' | 'output_tokens'
>;

/** What governance is read from in a span. `parentMessage`: the status message of the span above, where it is at hand. */
export function spanFacts(
  mapping: Mapping,
  span: SpanView,
  step: FactsOfStep,
  parentMessage: string | null = null,
): Facts {
  const fact = (name: string): readonly string[] => {
    switch (name) {
      case '@kind':
        return [step.step_kind];
      case '@status':
        return [step.status];
      case '@mark':
        return step.marks ?? [];
      case '@resume':
        return resumed(mapping, span, step);
      case '@finish_reason':
        return step.finish_reasons ?? [];
      case '@error_type':
        return maybe(step.error_type);
      case '@tool':
        return maybe(step.tool);
      case '@message':
        return maybe(span.status.message);
      case '@parent_message':
        return maybe(parentMessage);
      case '@root':
        return span.parentSpanId === null ? ['true'] : [];
      case '@output_tokens':
        return step.output_tokens === undefined ? [] : [String(step.output_tokens)];
      default:
        return [];
    }
  };
  return { attributes: span.attributes, fact };
}

/** The words of what a human answered. */
function resumed(mapping: Mapping, span: SpanView, { marks, step_kind: kind }: FactsOfStep): readonly string[] {
  if (marks === undefined || !marks.some((mark) => ANSWERS.includes(mark))) return [];
  return [...decisionsSaid(mapping, span.attributes, kind).values()];
}

const ANSWERS: readonly Mark[] = ['approved', 'edited', 'rejected'];

/** What governance is read from in a log record. */
export function logFacts(record: LogView): Facts {
  const fact = (name: string): readonly string[] => {
    const body = name === '@body' ? record.body : null;
    return typeof body === 'string' ? maybe(body) : [];
  };
  return { attributes: record.attributes, fact };
}

/** What governance is read from in an event on a span. */
export function eventFacts({ attributes }: EventView): Facts {
  return { attributes, fact: () => [] };
}

function maybe(text: string | null | undefined): readonly string[] {
  return text === null || text === undefined || text === '' ? [] : [text];
}
