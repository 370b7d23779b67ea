// `node compare.ts REPORT REPORT…`: whether servers of different architectures said the same. Exit code 0 when they did.
import { readFileSync } from 'node:fs';
import { compareReports, type Report } from './judge.ts';

const files = process.argv.slice(2);
if (files.length === 0) {
  console.error('Usage: node compare.ts REPORT REPORT…');
  process.exitCode = 2;
} else {
  const reports = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Report);
  const problem = compareReports(reports);
  if (problem === undefined)
    console.log(`${reports.map(({ machine }) => machine).join(' and ')} gave the same tokens.`);
  else console.error(problem);
  process.exitCode = problem === undefined ? 0 : 1;
}
