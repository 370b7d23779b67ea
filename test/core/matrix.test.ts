import { describe, expect, it } from 'vitest';
import { combinationNames, combinationsOf, countProduct, type Axes, type Matrix } from '../../src/core/plan/matrix.ts';

function matrix(axes: Matrix['axes'], more: Partial<Matrix> = {}): Matrix {
  return { axes, include: [], exclude: [], ...more };
}

const shown = (combinations: readonly Axes[]): readonly string[] => combinations.map((axes) => JSON.stringify(axes));

describe('the combinations of a matrix', () => {
  it('are the product of its axes, the last changing fastest', () => {
    expect(shown(combinationsOf(matrix({ os: ['a', 'b'], node: [18, 20] })))).toEqual([
      '{"os":"a","node":18}',
      '{"os":"a","node":20}',
      '{"os":"b","node":18}',
      '{"os":"b","node":20}',
    ]);
  });

  it('lack what an exclude names, in all of its values', () => {
    const made = combinationsOf(
      matrix(
        { os: ['a', 'b'], node: [18, 20] },
        {
          exclude: [
            { os: 'a', node: 20 },
            { node: 18, os: 'c' },
          ],
        },
      ),
    );
    expect(shown(made)).toEqual(['{"os":"a","node":18}', '{"os":"b","node":18}', '{"os":"b","node":20}']);
    expect(combinationsOf(matrix({ os: ['a', 'b'] }, { exclude: [{ os: 'a' }, { os: 'b' }] }))).toEqual([]);
  });

  // The example of GitHub's documentation, "Expanding or adding matrix configurations".
  it('are extended and added to by include as GitHub does it', () => {
    const made = combinationsOf(
      matrix(
        { fruit: ['apple', 'pear'], animal: ['cat', 'dog'] },
        {
          include: [
            { color: 'green' },
            { color: 'pink', animal: 'cat' },
            { fruit: 'apple', shape: 'circle' },
            { fruit: 'banana' },
            { fruit: 'banana', animal: 'cat' },
          ],
        },
      ),
    );
    expect(made).toEqual([
      { fruit: 'apple', animal: 'cat', color: 'pink', shape: 'circle' },
      { fruit: 'apple', animal: 'dog', color: 'green', shape: 'circle' },
      { fruit: 'pear', animal: 'cat', color: 'pink' },
      { fruit: 'pear', animal: 'dog', color: 'green' },
      { fruit: 'banana' },
      { fruit: 'banana', animal: 'cat' },
    ]);
  });

  it('may come from include alone', () => {
    expect(combinationsOf(matrix({}, { include: [{ site: 'a' }, { site: 'b' }] }))).toEqual([
      { site: 'a' },
      { site: 'b' },
    ]);
  });

  it('are counted without being made', () => {
    const values = Array.from({ length: 1000 }, (_, index) => index);
    expect(countProduct(matrix({ a: values, b: values, c: values, d: values }))).toBe(1e12);
    expect(countProduct(matrix({}))).toBe(0);
  });
});

describe('the name of a combination', () => {
  const namesOf = (of: Matrix): readonly string[] => combinationNames('test', of, combinationsOf(of));

  it('shows the values of the axes', () => {
    expect(namesOf(matrix({ node: [18, 20], os: ['linux'] }))).toEqual(['test (18, linux)', 'test (20, linux)']);
  });

  it('shows added values only where the axes do not tell them apart', () => {
    const more = { include: [{ node: 18, color: 'red' }, { node: 22 }] };
    expect(namesOf(matrix({ node: [18] }, more))).toEqual(['test (18)', 'test (22)']);
    expect(namesOf(matrix({ v: ['x', 'X'] }))).toEqual(['test (x)', 'test (X) #2']);
    expect(namesOf(matrix({}, { include: [{ a: 1 }, { a: 1, b: 2 }, { a: 1 }] }))).toEqual([
      'test (1)',
      'test (1, 2)',
      'test (1) #2',
    ]);
  });

  it('is one line of bounded length whatever the values are', () => {
    const values = [{ a: [1] }, 'x'.repeat(500), 'a\nb\u001b[31m', '', null, true];
    const names = namesOf(
      matrix({ v: values, w: ['y'.repeat(100)], z: ['z'.repeat(100)], q: ['q'.repeat(90)], r: ['r'.repeat(90)] }),
    );
    for (const name of names) expect(name).toMatch(/^test \([^\p{Cc}]{1,150}\)( #2)?$/u);
    expect(new Set(names).size).toBe(names.length);
    expect(names[0]).toContain('{"a":[1]}');
  });
});
