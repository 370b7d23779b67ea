/** Writes what is generated from the pipeline schema: docs/pipeline.schema.json and the table in docs/pipeline-file.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { keyTable, pipelineJsonSchema } from '../src/core/pipeline/pipeline-reference.ts';

const docs = join(import.meta.dirname, '..', 'docs');
const page = join(docs, 'pipeline-file.md');
const [before, , after] = readFileSync(page, 'utf8').split(/<!-- keys: .*? -->\n|<!-- end of keys -->\n/);

writeFileSync(join(docs, 'pipeline.schema.json'), `${JSON.stringify(pipelineJsonSchema(), null, 2)}\n`);
writeFileSync(
  page,
  `${before}<!-- keys: written by ci/json-schema.ts -->\n${keyTable()}\n<!-- end of keys -->\n${after}`,
);
