import { describe, expect, it } from 'vitest';
import { readsOf } from '../../src/core/expression/expression-reads.ts';
import { everything, parse } from '../../src/core/expression/expression-syntax.ts';

/** Each read as `context/name@offset/…`. */
function read(expression: string): readonly string[] {
  const parsed = parse(expression, everything);
  if (!parsed.ok) throw new Error(parsed.problem.message);
  return readsOf(expression, parsed.value.tokens).map(({ context, names }) =>
    [context, ...names.map(({ name, offset }) => `${name}@${offset}`)].join('/'),
  );
}

describe('what an expression reads', () => {
  it.each([
    ['needs.a.result', ['needs/a@6/result@8']],
    [" needs [ 'a b' ] . outputs['it''s'] ", ["needs/a b@9/outputs@19/it's@27"]],
    ['NEEDS.A == matrix.os', ['needs/A@6', 'matrix/os@18']],
    ["format('{0} needs.x', vars.A)", ['vars/A@27']],
    ['github.event.needs.q', ['github/event@7/needs@13/q@19']],
    ['true &&\n  needs.b', ['needs/b@16']],
  ])('is known by its literal path: %s', (expression, expected) => {
    expect(read(expression)).toEqual(expected);
  });

  it.each([
    ['needs[matrix.x].result', ['matrix/x@13']],
    ["needs[format('a')].result", []],
    ['needs.*.result', []],
    ['needs[*].result', []],
    ['toJSON(needs)', []],
    ['needs', []],
    ['fromJSON(env.X).needs.q', ['env/X@13']],
    ['needs.a.outputs[env.X]', ['needs/a@6/outputs@8', 'env/X@20']],
    ['github.event.labels[0].name', ['github/event@7/labels@13']],
    ["needs['a' || 'b']", []],
  ])('ends where something is computed: %s', (expression, expected) => {
    expect(read(expression)).toEqual(expected);
  });
});
