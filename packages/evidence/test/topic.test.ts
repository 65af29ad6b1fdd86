import { describe, expect, it } from 'vitest';
import { TOPICS, topicOfLog } from '../src/topic.js';

describe('the name of a log', () => {
  it('is its topic, and from the second generation on a number', () => {
    for (const topic of TOPICS) {
      expect(topicOfLog(topic)).toBe(topic);
      expect(topicOfLog(`${topic}.2`)).toBe(topic);
      expect(topicOfLog(`${topic}.4294967295`)).toBe(topic);
    }
  });

  it('is nothing else', () => {
    const bad = [
      '',
      'runs',
      'LLM-RUNS',
      'llm-runs ',
      'llm-runs\n',
      'llm-runs.',
      'llm-runs.0',
      'llm-runs.1',
      'llm-runs.02',
      'llm-runs.-2',
    ];
    bad.push(
      'llm-runs.2.3',
      'llm-runs.2 ',
      'llm-runs.4294967296',
      'llm-runs.99999999999',
      '.2',
      'constructor',
      '__proto__',
    );
    for (const log of bad) expect(topicOfLog(log), log).toBeNull();
  });
});
