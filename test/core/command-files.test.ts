import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mayAssign, parseAssignments, parsePaths } from '../../src/core/command-files.ts';

describe('assignments of a step', () => {
  it('are read line by line, with anything after the first equals sign as the value', () => {
    expect(parseAssignments('A=1\nB=x=y\r\nC=\n')).toEqual({ A: '1', B: 'x=y', C: '' });
  });

  it('may be blocks between delimiters', () => {
    expect(parseAssignments('A<<EOF\none\ntwo\nEOF\nB=2\n')).toEqual({ A: 'one\ntwo', B: '2' });
  });

  it('end before a block that was never closed', () => {
    expect(parseAssignments('A=1\nB<<EOF\ntwo\nC=3\n')).toEqual({ A: '1' });
  });

  it('leave out lines that assign nothing', () => {
    expect(parseAssignments('hello\n=x\n\nA=1')).toEqual({ A: '1' });
  });

  it('are read in a time that grows with the text, also when a job means to hold others up', () => {
    const blocks = 50_000;
    const text = 'a<<b\nb\n'.repeat(blocks);
    const started = performance.now();
    expect(parseAssignments(`${text}B=2`)).toEqual({ a: '', B: '2' });
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  it('carry any value through a block unchanged', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[^\r\n]*$/)), (lines) => {
        fc.pre(!lines.includes('END'));
        const value = lines.join('\n');
        const block = lines.length === 0 ? 'A<<END\nEND\n' : `A<<END\n${value}\nEND\n`;
        expect(parseAssignments(block)).toEqual({ A: value });
      }),
    );
  });
});

describe('what a step may assign', () => {
  it.each(['PATH_X', 'lower', '_a1'])('includes %s', (name) => {
    expect(mayAssign(name)).toBe(true);
  });

  it.each(['GITHUB_SHA', 'HEARTH_RUN_ID', 'NODE_OPTIONS', 'CI', '1A', 'A-B', 'A B', ''])('leaves out %j', (name) => {
    expect(mayAssign(name)).toBe(false);
  });
});

it('paths that were added last come first', () => {
  expect(parsePaths('/one\n/two\r\n\n')).toEqual(['/two', '/one']);
});
