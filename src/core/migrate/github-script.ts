/** Scripts into which a workflow writes what outsiders choose, or secrets: those become variables of the step. */
import { split } from '../expression/expression-syntax.ts';
import { isChosenByOutsiders } from '../pipeline/expression-places.ts';

export interface SafeScript {
  readonly script: string;
  readonly variables: readonly { readonly name: string; readonly expression: string }[];
  /** Whether the quotes around each variable are certain to be right. */
  readonly isSure: boolean;
}

/** A shell script in which nothing that outsiders choose is code. `isTaken` tells of names that mean something else. */
export function safeScript(run: string, isTaken: (name: string) => boolean): SafeScript {
  const parts = split(run);
  if (!parts.ok) return { script: run, variables: [], isSure: true };
  const names = new Map<string, string>();
  let script = '';
  let isSure = true;
  for (const part of parts.value) {
    if ('text' in part) {
      script += part.text;
      continue;
    }
    const expression = part.expression.trim();
    if (!isChosenByOutsiders(expression) && !/\bsecrets\b/.test(expression)) {
      script += `\${{${part.expression}}}`;
      continue;
    }
    const name =
      names.get(expression) ?? variableName(expression, (one) => isTaken(one) || [...names.values()].includes(one));
    names.set(expression, name);
    const place = quotesAt(script);
    if (place === 'unknown') isSure = false;
    script += written(name, place);
  }
  return { script, variables: [...names].map(([expression, name]) => ({ name, expression })), isSure };
}

type Quotes = 'none' | 'single' | 'double' | 'unknown';

function written(name: string, quotes: Quotes): string {
  if (quotes === 'none') return `"\${${name}}"`;
  return quotes === 'single' ? `'"\${${name}}"'` : `\${${name}}`;
}

/** In which quotes the end of a script stands. Where a here-document has begun nobody can tell by a glance. */
function quotesAt(script: string): Quotes {
  if (/<<-?\s*['"\\]?\w/.test(script)) return 'unknown';
  let quotes: Quotes = 'none';
  for (let at = 0; at < script.length; at++) {
    const character = script[at];
    if (quotes === 'single') {
      if (character === "'") quotes = 'none';
    } else if (character === '\\') at += 1;
    else if (character === '"') quotes = quotes === 'double' ? 'none' : 'double';
    else if (quotes === 'none') {
      if (character === "'") quotes = 'single';
      else if (character === '#' && /(?:^|\s)$/.test(script.slice(0, at))) {
        const end = script.indexOf('\n', at);
        at = end === -1 ? script.length : end;
      }
    }
  }
  return quotes;
}

/** `github.event.pull_request.title` is PULL_REQUEST_TITLE; the name of a secret stays as it is. */
function variableName(expression: string, isTaken: (name: string) => boolean): string {
  const path = /\b(?:github|secrets)((?:\s*\.\s*[\w*-]+)+)/.exec(expression)?.[1] ?? 'VALUE';
  const name =
    path
      .toUpperCase()
      .replace(/^\s*\.\s*(?:EVENT\s*\.)?/, '')
      .replace(/[^A-Z0-9]+/g, '_')
      .replace(/^_+|_+$/g, '')
      .replace(/^(?=\d)/, 'V_') || 'VALUE';
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name}_${number}`;
    if (!isTaken(candidate)) return candidate;
  }
}
