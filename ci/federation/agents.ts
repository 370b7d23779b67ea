/** The five agents of the demonstration. */

export interface NamedAgent {
  /** `tenant/agent`. */
  readonly name: string;
  /** Of its private key in what `keys.ts` prints. */
  readonly variable: string;
}

export const agents: readonly NamedAgent[] = [
  { name: 'test-collaboration/researcher', variable: 'RESEARCHER_KEY' },
  { name: 'test-collaboration/coder', variable: 'CODER_KEY' },
  { name: 'test-collaboration/tester', variable: 'TESTER_KEY' },
  { name: 'test-collaboration/reviewer', variable: 'REVIEWER_KEY' },
  { name: 'different-tenant/isolated', variable: 'ISOLATED_KEY' },
];
