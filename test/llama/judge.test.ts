import { describe, expect, it } from 'vitest';
import { compareReports, differenceOf, judgeCompletion, type Report } from '../../ci/llama/judge.ts';
import { keepLastLines } from '../../ci/llama/last-lines.ts';

const asked = { server: 'server-8080', count: 2 };
const good = { content: 'ab', tokens: [100, 101], tokens_predicted: 2 };

describe('a completion', () => {
  it('is one with exactly the tokens that were asked for', () => {
    const judged = judgeCompletion(asked, { status: 200, body: JSON.stringify(good) });
    expect(judged).toEqual({ ok: true, value: { server: 'server-8080', tokens: [100, 101], text: 'ab' } });
  });

  it.each([
    ['another status', 500, good, '/completion answered 500'],
    ['no object', 200, [], 'tokens_predicted is undefined, not 2'],
    ['nothing', 200, null, '/completion answered no JSON object'],
    ['fewer tokens by its own count', 200, { ...good, tokens_predicted: 1 }, 'tokens_predicted is 1, not 2'],
    ['a count without tokens', 200, { ...good, tokens: [] }, 'the answer does not have 2 tokens'],
    ['tokens that are none', 200, { ...good, tokens: ['a', 'b'] }, 'the answer does not have 2 tokens'],
    ['no text', 200, { ...good, content: undefined }, 'the answer has no text'],
  ])('is refused with %s, naming the server', (_, status, answer, problem) => {
    const judged = judgeCompletion(asked, { status, body: JSON.stringify(answer) });
    expect(judged).toMatchObject({ ok: false, problem: expect.stringContaining(`server-8080: ${problem}`) as string });
  });

  it('that is no JSON is refused with its beginning', () => {
    const judged = judgeCompletion(asked, { status: 200, body: '<html>proxy</html>' });
    expect(judged).toEqual({
      ok: false,
      problem: 'server-8080: /completion answered no JSON object: <html>proxy</html>',
    });
  });
});

describe('completions', () => {
  const completion = (server: string, ...tokens: readonly number[]) => ({ server, tokens, text: '' });

  it('are alike when all tokens are', () => {
    expect(differenceOf([completion('a', 1, 2), completion('b', 1, 2)])).toBeUndefined();
  });

  it('differ by one token, or by its absence, and both servers are named', () => {
    expect(differenceOf([completion('a', 1, 2), completion('b', 1, 2), completion('c', 1, 3)])).toMatch(
      /^a and c .*\n {2}1 2\n {2}1 3$/,
    );
    expect(differenceOf([completion('a', 1, 2), completion('b', 1)])).toMatch(/^a and b /);
  });

  it('of nobody are not alike', () => {
    expect(differenceOf([])).toBe('no server completed anything');
  });
});

describe('reports', () => {
  const report = (changes: Partial<Report>): Report => ({
    ...{ machine: 'x64', prompt: 'Hello', tokens: [1, 2], text: '', servers: [] },
    ...changes,
  });

  it('of two architectures with the same tokens are alike', () => {
    expect(compareReports([report({}), report({ machine: 'arm64' })])).toBeUndefined();
  });

  it('of one architecture prove nothing, however many there are', () => {
    expect(compareReports([report({}), report({})])).toMatch(/^Reports of x64 alone compare nothing/);
    expect(compareReports([])).toMatch(/^Reports of no machine alone/);
  });

  it('without tokens, or about another prompt, prove nothing', () => {
    expect(compareReports([report({ tokens: [] }), report({ machine: 'arm64', tokens: [] })])).toBe(
      'The report of x64 holds no tokens.',
    );
    expect(compareReports([report({}), report({ machine: 'arm64', prompt: 'Bye' })])).toBe(
      'x64 and arm64 were asked different things.',
    );
  });

  it('that differ say from which token on', () => {
    expect(compareReports([report({}), report({ machine: 'arm64', tokens: [1, 3] })])).toBe(
      'x64 and arm64 differ from token 2 on:\n  x64: 1 2\n  arm64: 1 3',
    );
  });
});

describe('the last lines of a process', () => {
  it('are kept whole over pieces, the unfinished one as well', () => {
    const said = keepLastLines();
    for (const piece of ['one\ntw', 'o\nthr', 'ee']) said.add(piece);
    expect(said.text()).toBe('one\ntwo\nthree');
  });

  it('are few and short, however much was said', () => {
    const said = keepLastLines();
    for (let line = 0; line < 1000; line += 1) said.add(`${line} ${'x'.repeat(1000)}\n`);
    said.add('y'.repeat(5_000_000));
    const lines = said.text().split('\n');
    expect(lines).toHaveLength(20);
    expect(lines[0]).toMatch(/^981 x+$/);
    expect(lines.every((line) => line.length <= 400)).toBe(true);
  });
});
