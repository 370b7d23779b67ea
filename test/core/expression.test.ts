import { describe, expect, it } from 'vitest';
import {
  checkCondition,
  checkTemplate,
  contextsUsed,
  usesStatus,
  type Scope,
} from '../../src/core/expression/expression-syntax.ts';
import {
  evaluateCondition,
  evaluateTemplate,
  ExpressionFailure,
  isTruthy,
  renderTemplate,
  type Values,
} from '../../src/core/expression/expression.ts';

const scope: Scope = { contexts: ['github', 'matrix', 'needs'], status: true, hashFiles: true };
const values: Values = {
  contexts: {
    github: { ref: 'refs/heads/main', event: { labels: [{ name: 'a' }, { name: 'b' }] } },
    matrix: { os: 'linux', node: 24, flags: ['x', 'y'] },
    needs: { build: { result: 'success', outputs: { 'sha-1': 'abc' } } },
  },
};

describe('a template', () => {
  it.each([
    ['plain text', 'plain text'],
    ['', ''],
    ['a ${{ matrix.os }} b ${{ matrix.node }}', 'a linux b 24'],
    ['${{ github.REF }}', 'refs/heads/main'],
    ["${{ needs.build.outputs['sha-1'] }}", 'abc'],
    ['${{ needs.build.outputs.sha-1 }}', 'abc'],
    ['${{ matrix.absent }}', ''],
    ['${{ matrix.absent.deeper }}', ''],
    ["${{ format('{0}-{1}', matrix.os, 'x') }}", 'linux-x'],
    ["${{ join(matrix.flags, '+') }}", 'x+y'],
    ["${{ join(github.event.labels.*.name, ',') }}", 'a,b'],
    ["${{ 'a }} b' }}", 'a }} b'],
    ["${{ 'it''s ''quoted''' }}", "it's 'quoted'"],
    ["${{ matrix.os == 'LINUX' && 'yes' || 'no' }}", 'yes'],
    ['${{ toJSON(matrix.flags) }}', '[\n  "x",\n  "y"\n]'],
    ["${{ fromJSON('[1,2]')[1] }}", '2'],
    ["${{ hashFiles('a', 'b') }}", 'hash of a b'],
    ['${{ 1.5 }} ${{ true }} ${{ null }}|', '1.5 true |'],
  ])('%s', (text, expected) => {
    expect(checkTemplate(text, scope)).toEqual([]);
    expect(renderTemplate(text, { ...values, hashFiles: (patterns) => `hash of ${patterns.join(' ')}` })).toBe(
      expected,
    );
  });

  it('that is one expression keeps the type of its value', () => {
    expect(evaluateTemplate('${{ matrix.node }}', values)).toBe(24);
    expect(evaluateTemplate('${{ fromJSON(\'{"a":[1,null,true]}\') }}', values)).toEqual({ a: [1, null, true] });
    expect(evaluateTemplate(' ${{ matrix.node }}', values)).toBe(' 24');
    expect(evaluateTemplate('24', values)).toBe('24');
  });

  it('does not let a value turn into an expression', () => {
    const hostile = { contexts: { github: { ref: '${{ secrets.TOKEN }}' }, secrets: { TOKEN: 'hunter2' } } };
    expect(renderTemplate('${{ github.ref }}', hostile)).toBe('${{ secrets.TOKEN }}');
  });

  it('names the contexts it uses', () => {
    expect(contextsUsed("${{ github.ref }} ${{ MATRIX['needs'] }} ${{ 'secrets.x' }} ${{ a.github }}")).toEqual(
      new Set(['github', 'matrix']),
    );
  });
});

describe('trouble in an expression is told with its place', () => {
  it.each([
    ['${{ github.ref', 'not closed', 0, 0],
    ['x ${{ }} y', 'empty', 0, 0],
    ['${{ matrix.os }} ${{ secret.X }}', 'no secret', 1, 1],
    ['${{ secrets.X }}', 'secrets is not known here', 0, 1],
    ['${{ "double" }}', 'single quotes', 0, 1],
    ['${{ matrix.os = 1 }}', 'Unexpected symbol', 0, 11],
    ['${{ matrix.os == }}', 'Unexpected end', 0, 11],
    ['${{ upper(matrix.os) }}', 'no function upper', 0, 1],
    ['${{ constructor(1) }}', 'no function constructor', 0, 1],
    ['${{ __proto__ }}', 'no __proto__', 0, 1],
    ['${{ contains(matrix.os) }}', 'Too few parameters', 0, 1],
    ["${{ 'open }}", 'not closed', 0, 0],
    [`\${{ ${'('.repeat(60)}1${')'.repeat(60)} }}`, 'depth', 0, 51],
    [`\${{ '${'x'.repeat(22_000)}' }}`, '21000', 0, 0],
  ])('%s', (text, message, part, offset) => {
    const [trouble] = checkTemplate(text, scope);
    expect(trouble?.message).toContain(message);
    expect(trouble?.message).toMatch(/\.$/);
    expect(trouble).toMatchObject({ part, offset });
  });

  it('all of a text at once', () => {
    expect(checkTemplate('${{ a }} ${{ b }} ${{ matrix.c }}', scope)).toHaveLength(2);
  });

  it('with the line it is on', () => {
    expect(checkTemplate('${{ matrix.os ==\n  nope }}', scope)[0]).toMatchObject({ offset: 16 });
  });

  it('and status functions belong into conditions', () => {
    expect(checkTemplate('${{ always() }}', { contexts: [] })[0]?.message).toContain('"if"');
    expect(checkTemplate("${{ hashFiles('x') }}", { contexts: [] })[0]?.message).toContain('steps');
  });
});

describe('a condition', () => {
  const failing = { success: false, failure: true, always: true, cancelled: false };

  it.each([
    ["github.ref == 'refs/heads/main'", true, false],
    ["${{ github.ref == 'refs/heads/main' }}", true, false],
    ['matrix.absent', false, false],
    ['always()', true, true],
    ['failure()', false, true],
    ["failure() && matrix.os == 'linux'", false, true],
    ['!cancelled()', true, true],
    ["!contains(github.ref, 'main')", false, false],
  ])('%s', (text, whenAllIsWell, afterFailure) => {
    expect(checkCondition(text, scope)).toEqual([]);
    const well = { success: true, failure: false, always: true, cancelled: false };
    expect(evaluateCondition(text, { ...values, status: well })).toBe(whenAllIsWell);
    expect(evaluateCondition(text, { ...values, status: failing })).toBe(afterFailure);
  });

  it('of which only a part is an expression would always be true, so it is refused', () => {
    expect(checkCondition("${{ matrix.os }} == 'linux'", scope)[0]?.message).toContain('the whole of it');
  });

  it('knows whether it asks for a status itself', () => {
    expect(usesStatus('Always()')).toBe(true);
    expect(usesStatus("'always()' == github.ref")).toBe(false);
  });

  it.each([null, false, 0, '', Number.NaN])('takes %s for no', (value) => {
    expect(isTruthy(value)).toBe(false);
  });

  it.each([true, 1, 'false', [], {}])('takes %s for yes', (value) => {
    expect(isTruthy(value)).toBe(true);
  });
});

describe('an evaluation', () => {
  it.each([
    ["${{ fromJSON('{') }}", 'JSON'],
    ["${{ format('{1}', 'a') }}", 'more arguments'],
  ])('%s fails with a sentence that shows the expression', (text, why) => {
    expect(() => renderTemplate(text, values)).toThrow(ExpressionFailure);
    expect(() => renderTemplate(text, values)).toThrow(why);
  });

  it('cannot fill the memory', () => {
    let text = "'0123456789abcdef'";
    for (let level = 0; level < 30; level++) text = `format('{0}{0}', ${text})`;
    expect(() => renderTemplate(`\${{ ${text} }}`, values)).toThrow('1 MiB');
    const big = 'x'.repeat(1_000_000);
    const before = performance.now();
    for (const hostile of [
      `format('${'{0}'.repeat(5_000)}', github.big)`,
      `join(fromJSON('[${'1,'.repeat(5_000)}1]'), github.big)`,
      Array.from({ length: 300 }, () => "contains(format('{0}', github.big), 'y')").join(' || '),
    ]) {
      expect(() => renderTemplate(`\${{ ${hostile} }}`, { contexts: { github: { big } } })).toThrow('1 MiB');
    }
    // Made, these texts would take gigabytes and minutes.
    expect(performance.now() - before).toBeLessThan(5_000);
    const many = `\${{ github.big }}`.repeat(2000);
    expect(() => renderTemplate(many, { contexts: { github: { big: 'x'.repeat(1000) } } })).toThrow('1 MiB');
  });

  it('takes names from the environment for what they are', () => {
    const env = { constructor: 'c', toString: 't', valueOf: 'v' };
    expect(renderTemplate('${{ env.toString }}${{ env.valueOf }}', { contexts: { env } })).toBe('tv');
  });
});
