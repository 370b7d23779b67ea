/** Real payloads of GitHub's webhooks. */
import { createRequire } from 'node:module';

type Payload = Readonly<Record<string, unknown>>;

const all = createRequire(import.meta.url)('@octokit/webhooks-examples') as readonly {
  readonly name: string;
  readonly examples: readonly Payload[];
}[];

export function examples(event: string): readonly Payload[] {
  const found = all.find(({ name }) => name === event);
  if (found === undefined) throw new Error(`there are no example payloads of ${event}`);
  return found.examples;
}

/** A copy with the fields at these paths (`pull_request.head.repo`) set to other values. */
export function changed(payload: Payload, changes: Readonly<Record<string, unknown>>): Payload {
  const copy = structuredClone(payload) as Record<string, unknown>;
  for (const [path, value] of Object.entries(changes)) {
    const keys = path.split('.');
    const last = keys.pop() ?? '';
    let place = copy;
    for (const key of keys) place = place[key] as Record<string, unknown>;
    place[last] = value;
  }
  return copy;
}
