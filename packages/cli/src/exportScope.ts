import type { ExportScope } from './deployment.js';
import { CommandFailed, EXIT } from './exitCode.js';

/** What of the command line says what is exported: exactly one of them. */
export interface ScopeOptions {
  readonly run?: string;
  readonly conversation?: string;
  readonly incident?: string;
  readonly subject?: string;
}

/** @throws CommandFailed where none is asked for, or more than one */
export function exportScopeOf({ run, conversation, incident, subject }: ScopeOptions): ExportScope {
  const asked: ExportScope[] = [];
  if (run !== undefined) asked.push({ kind: 'RUN', runId: run });
  if (conversation !== undefined) asked.push({ kind: 'RUNS', by: 'CONVERSATION', value: conversation });
  if (incident !== undefined) asked.push({ kind: 'RUNS', by: 'INCIDENT', value: incident });
  if (subject !== undefined) asked.push({ kind: 'RUNS', by: 'SUBJECT', value: subject });
  const [scope, ...others] = asked;
  if (scope !== undefined && others.length === 0) return scope;
  const how = 'one of --run, --conversation, --incident, --subject says what is exported';
  throw new CommandFailed(EXIT.unable, scope === undefined ? how : `${how}: one bundle is about one of them`);
}
