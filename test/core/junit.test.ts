import { describe, expect, it } from 'vitest';
import { addReports, flakyTests, NO_TESTS, parseJunit, type TestReport } from '../../src/core/junit.ts';

function read(text: string): TestReport {
  const parsed = parseJunit(text);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

describe('a JUnit report', () => {
  it('is masked before its texts are cut and its line ends go', () => {
    const long = `${'x'.repeat(495)}hunter2-hunter2`;
    const cases = `<testcase name="${long}"/><testcase name="a" file="${long}"><failure message="${long}"/></testcase>`;
    const lines = `<testcase name="b"><failure>one of two\ntwo of two</failure></testcase>`;
    const parsed = parseJunit(`<testsuite name="s">${cases}${lines}</testsuite>`, (text) =>
      text.replaceAll('hunter2-hunter2', '***').replaceAll('one of two\ntwo of two', '***'),
    );
    expect(parsed).toMatchObject({ ok: true, value: { total: 3, failed: 2 } });
    expect(JSON.stringify(parsed)).not.toMatch(/hunter|of two/);
  });

  it('of vitest names suite, test, file and line', () => {
    const report = read(`<?xml version="1.0" encoding="UTF-8" ?>
<testsuites name="vitest tests" tests="3" failures="1" errors="0" time="0.01">
  <testsuite name="test/sum.test.ts" tests="3" failures="1" errors="0" skipped="1" time="0.004">
    <testcase classname="test/sum.test.ts" name="adds" time="0.001"></testcase>
    <testcase classname="test/sum.test.ts" name="subtracts" time="0.001">
      <failure message="expected 3 to be 4 // Object.is equality" type="AssertionError">
AssertionError: expected 3 to be 4
 ❯ node_modules/vitest/x.js:1:2
 ❯ test/sum.test.ts:9:20
      </failure>
    </testcase>
    <testcase classname="test/sum.test.ts" name="later"><skipped/></testcase>
  </testsuite>
</testsuites>`);
    expect(report).toEqual({
      total: 3,
      skipped: 1,
      failed: 1,
      failures: [
        {
          name: 'test/sum.test.ts › subtracts',
          file: 'test/sum.test.ts',
          line: 9,
          message: 'expected 3 to be 4 // Object.is equality',
        },
      ],
      passed: ['test/sum.test.ts › adds'],
    });
  });

  it('of pytest says the line by attribute, and errors count as failures', () => {
    const { failures } = read(`<testsuites><testsuite name="pytest" errors="1" failures="1">
<testcase classname="tests.test_a" name="test_x" file="tests/test_a.py" line="12"><failure message="assert 1 == 2">def test_x</failure></testcase>
<testcase classname="tests.test_a" name="test_y"><error message="failed on setup"><![CDATA[File "/work/tests/conftest.py", line 4, in db]]></error></testcase>
</testsuite></testsuites>`);
    expect(failures).toEqual([
      { name: 'tests.test_a › test_x', file: 'tests/test_a.py', line: 12, message: 'assert 1 == 2' },
      { name: 'tests.test_a › test_y', file: 'tests/conftest.py', line: 4, message: 'failed on setup' },
    ]);
  });

  it('of Go and Java, with one suite at the top and no message, takes the first line of the text', () => {
    const { failures, total } = read(
      `<testsuite name="pkg/store"><properties><property name="go.version" value="1"/></properties><testcase name="TestPut"><failure type="">
    store_test.go:41: got 1
</failure></testcase></testsuite>`,
    );
    expect(total).toBe(1);
    expect(failures).toEqual([
      { name: 'pkg/store › TestPut', file: 'store_test.go', line: 41, message: 'store_test.go:41: got 1' },
    ]);
  });

  it.each([
    ['no XML', 'all fine', 'text data outside of root node'],
    ['empty', '', 'document must contain a root element'],
    ['cut off', '<testsuite><testcase name="a">', 'unclosed tag'],
    ['something else', '<html><body/></html>', 'it has no testsuite'],
    [
      'an entity of its own',
      '<!DOCTYPE x [<!ENTITY a "aaaa">]><testsuite>&a;</testsuite>',
      'a document type is not allowed',
    ],
    ['an unknown entity', '<testsuite>&a;</testsuite>', 'undefined entity'],
    ['nested without end', '<testsuite>'.repeat(60), 'nested too deeply'],
  ])('that is %s is refused with why', (_, text, why) => {
    expect(parseJunit(text)).toMatchObject({ ok: false, problem: expect.stringContaining(why) as string });
  });

  it('shows no control characters and no endless texts of a job', () => {
    const { failures } = read(
      `<testsuite><testcase name="${'n'.repeat(2000)}"><failure message="&#x9;\u0085${'m'.repeat(2000)}"/></testcase></testsuite>`,
    );
    expect(failures[0]?.name).toHaveLength(500);
    expect(failures[0]?.message).toMatch(/^m+…$/);
  });

  it('lists at most 200 failures and counts them all', () => {
    const report = read(`<testsuite>${'<testcase name="a"><failure/></testcase>'.repeat(300)}</testsuite>`);
    expect(report).toMatchObject({ total: 300, failed: 300 });
    expect(report.failures).toHaveLength(200);
    expect(addReports([report, report])).toMatchObject({ total: 600, failed: 600 });
    expect(addReports([report, report]).failures).toHaveLength(200);
  });
});

it('a test is flaky that failed in one report of a commit and passed in another', () => {
  const failure = (name: string) => ({ name, file: null, line: null, message: '' });
  const first = { ...NO_TESTS, failures: [failure('a'), failure('b')], passed: ['c'] };
  const second = { ...NO_TESTS, failures: [failure('b')], passed: ['a', 'c'] };
  expect([...flakyTests([first, second])]).toEqual(['a']);
  expect([...flakyTests([first])]).toEqual([]);
});
