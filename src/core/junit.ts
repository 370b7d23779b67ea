/**
 * JUnit reports, as test runners of most languages write them. There is no standard; this reads what
 * https://github.com/testmoapp/junitxml collects: testsuites/testsuite/testcase with failure, error, skipped. The text comes
 * from a job, so nothing in it is trusted: no entities of its own, no nesting without end, texts are cut.
 */
import { SaxesParser, type SaxesTagPlain } from 'saxes';
import { failed, success, type Result } from './result.ts';

export interface TestReport {
  readonly total: number;
  readonly skipped: number;
  /** In the order of the reports; the first {@link MAX_FAILURES}. */
  readonly failures: readonly FailedTest[];
  /** All that failed, also those that are not listed. */
  readonly failed: number;
  /** Names of tests that passed, for telling flaky ones; the first {@link MAX_PASSED}. */
  readonly passed: readonly string[];
}

export interface FailedTest {
  /** Suite or class and name, as its runner calls it. */
  readonly name: string;
  readonly file: string | null;
  readonly line: number | null;
  /** First line of what the runner said. */
  readonly message: string;
}

export const NO_TESTS: TestReport = { total: 0, skipped: 0, failures: [], failed: 0, passed: [] };

const MAX_FAILURES = 200;
const MAX_PASSED = 20_000;
const MAX_TEXT = 500;
const MAX_DEPTH = 50;

/**
 * The problem says why the text is no report. `hide` masks secrets in every text that is kept, before it is cut: half of a
 * secret is not found any more.
 */
export function parseJunit(text: string, hide: (text: string) => string = (kept) => kept): Result<TestReport, string> {
  const report = { total: 0, skipped: 0, failed: 0, failures: [] as FailedTest[], passed: [] as string[] };
  const suites: string[] = [];
  let test: OpenTest | undefined;
  let collecting = false;
  const seen = { isReport: false };
  let depth = 0;
  const parser = new SaxesParser();
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('doctype', () => {
    throw new Error('a document type is not allowed in a report');
  });
  parser.on('opentag', ({ name, attributes }: SaxesTagPlain) => {
    if (++depth > MAX_DEPTH) throw new Error('it is nested too deeply');
    if (name === 'testsuites' || name === 'testsuite') {
      seen.isReport = true;
      if (name === 'testsuite') suites.push(attributes['name'] ?? '');
    } else if (name === 'testcase') test = openTest(attributes, suites.at(-1) ?? '');
    else if (test !== undefined && (name === 'failure' || name === 'error')) {
      test.failure ??= { message: attributes['message'] ?? '', text: '' };
      collecting = true;
    } else if (test !== undefined && name === 'skipped') test.isSkipped = true;
  });
  const collect = (piece: string): void => {
    if (collecting && test?.failure !== undefined && test.failure.text.length < 10_000) test.failure.text += piece;
  };
  parser.on('text', collect);
  parser.on('cdata', collect);
  parser.on('closetag', ({ name }) => {
    depth -= 1;
    if (name === 'testsuite') suites.pop();
    if (name === 'failure' || name === 'error') collecting = false;
    if (name !== 'testcase' || test === undefined) return;
    report.total += 1;
    if (test.failure !== undefined) {
      report.failed += 1;
      if (report.failures.length < MAX_FAILURES) report.failures.push(failureOf(test, test.failure, hide));
    } else if (test.isSkipped) report.skipped += 1;
    else if (report.passed.length < MAX_PASSED) report.passed.push(cut(hide(test.name)));
    test = undefined;
  });
  try {
    parser.write(text).close();
  } catch (cause) {
    return failed(firstLine(hide(cause instanceof Error ? cause.message : String(cause))));
  }
  return seen.isReport ? success(report) : failed('it has no testsuite');
}

/** Reports of several files, as one. */
export function addReports(reports: readonly TestReport[]): TestReport {
  return {
    total: sum(reports.map(({ total }) => total)),
    skipped: sum(reports.map(({ skipped }) => skipped)),
    failed: sum(reports.map((one) => one.failed)),
    failures: reports.flatMap(({ failures }) => failures).slice(0, MAX_FAILURES),
    passed: reports.flatMap(({ passed }) => passed).slice(0, MAX_PASSED),
  };
}

/** Tests with both results among these reports, which are of one commit. */
export function flakyTests(reports: readonly TestReport[]): ReadonlySet<string> {
  const passed = new Set(reports.flatMap((report) => report.passed));
  return new Set(
    reports.flatMap(({ failures }) => failures.map(({ name }) => name)).filter((name) => passed.has(name)),
  );
}

/** Texts as they stand in the report. */
interface OpenTest {
  readonly name: string;
  readonly file: string | null;
  readonly line: number | null;
  failure: { readonly message: string; text: string } | undefined;
  isSkipped: boolean;
}

function openTest(attributes: Readonly<Record<string, string>>, suite: string): OpenTest {
  const { name = '', classname, file, line } = attributes;
  const owner = classname ?? suite;
  return {
    name: owner === '' || name.startsWith(owner) ? name : `${owner} › ${name}`,
    file: file === undefined || file === '' ? null : file,
    line: line !== undefined && /^\d{1,9}$/.test(line) ? Number(line) : null,
    failure: undefined,
    isSkipped: false,
  };
}

function failureOf(
  test: OpenTest,
  failure: { readonly message: string; readonly text: string },
  hide: (text: string) => string,
): FailedTest {
  const [name, said, text] = [cut(hide(test.name)), hide(failure.message), hide(failure.text)];
  const file = test.file === null ? null : cut(hide(test.file));
  const { line } = test;
  const place = file === null || line === null ? placeIn(`${said}\n${text}`, file) : null;
  const message = firstLine(said) || firstLine(text);
  return { name, file: file ?? place?.file ?? null, line: line ?? place?.line ?? null, message };
}

/** Runners that give no attributes put the place into the text: `src/a.test.ts:12:3`, `File "a.py", line 12`. */
function placeIn(text: string, file: string | null): { readonly file: string; readonly line: number } | null {
  for (const line of text.slice(0, 10_000).split('\n')) {
    const found =
      /(?:^|[\s(])((?:\.{0,2}\/)?[\w.@+-]+(?:\/[\w.@+-]+)*\.\w{1,5}):(\d{1,7})(?=\D|$)/.exec(line) ??
      /File "([^"\n]{1,300})", line (\d{1,7})/.exec(line);
    const [, path = '', number = ''] = found ?? [];
    if (path === '' || path.includes('node_modules/') || (file !== null && !path.endsWith(file))) continue;
    return { file: path.replace(/^\/work\//, ''), line: Number(number) };
  }
  return null;
}

function firstLine(text: string): string {
  return cut(
    text
      .split('\n')
      .map((line) => line.trim())
      .find((line) => line !== '') ?? '',
  );
}

function cut(text: string): string {
  // eslint-disable-next-line no-control-regex -- a report may hold any character, and this is shown to people
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ').trim();
  return clean.length > MAX_TEXT ? `${clean.slice(0, MAX_TEXT - 1)}…` : clean;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
