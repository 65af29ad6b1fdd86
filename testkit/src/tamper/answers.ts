import { startApp } from '@sworn/server';
import type { Question, Struck } from './attack.js';
import type { Stage, StageCopy } from './stage.js';

/** An answer of the facade, as far as it matters here. */
interface Answer {
  readonly code?: string;
  readonly finding?: { readonly code: string };
  readonly items?: readonly Item[];
  readonly steps?: readonly Item[];
  readonly logs?: readonly { readonly verdict: string }[];
}

interface Item {
  readonly compromised?: boolean;
  readonly leaf_index?: number;
  readonly finding?: { readonly code: string; readonly leaf_index: number };
}

/**
 * Asks a server on the damaged copy what clients would ask, and a neighbour's question beside it.
 * @returns what the answers should have said and did not; empty: nothing.
 */
export async function wrongAnswers(stage: Stage, copy: StageCopy, { asked = [] }: Struck): Promise<readonly string[]> {
  if (asked.length === 0) return [];
  const app = await startApp(copy.config);
  const ask = async (path: string, key: string): Promise<{ readonly status: number; readonly said: Answer }> => {
    const url = `${app.addresses.http}/api/v1/logs/${path.startsWith('audit') ? '' : 'llm-runs'}${path}`;
    const answer = await fetch(url, { headers: { authorization: `Bearer ${key}` } });
    return { status: answer.status, said: (await answer.json()) as Answer };
  };
  try {
    const wrong: string[] = [];
    for (const question of asked) {
      const { status, said } = await ask(
        question.path,
        question.kind === 'not verified' ? stage.target.auditorKey : stage.target.readerKey,
      );
      if (!answers(question, status, said))
        wrong.push(`${question.path} answers ${status} ${JSON.stringify(said).slice(0, 300)}`);
    }
    for (const { name, readerKey } of stage.neighbours) {
      const { status, said } = await ask('?limit=20', readerKey);
      const compromised = said.items?.filter((item) => item.compromised === true);
      if (status !== 200 || compromised?.length !== 0)
        wrong.push(`${name}, whom nobody struck, is answered ${status} ${JSON.stringify(compromised).slice(0, 300)}`);
    }
    return wrong;
  } finally {
    await app.stop();
  }
}

function answers(question: Question, status: number, said: Answer): boolean {
  if (question.kind === 'not verified')
    return status === 200 && said.logs?.length === 1 && said.logs[0]?.verdict !== 'verified';
  if (question.kind === 'refused')
    return status === 409 && said.code === 'evidence_compromised' && said.finding?.code === question.code;
  return status === 200 && tells(question.kind === 'item' ? said.items : said.steps, question);
}

function tells(
  items: readonly Item[] | undefined,
  { index, code }: { readonly index: number; readonly code: string },
): boolean {
  return (
    items?.some(
      (item) => item.compromised === true && item.finding?.code === code && item.finding.leaf_index === index,
    ) === true
  );
}
