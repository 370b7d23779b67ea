import { describe, expect, it } from 'vitest';
import type { ServiceSpec } from '../../src/core/containers.ts';
import { ExpressionFailure } from '../../src/core/expression/expression.ts';
import type { JobSpec } from '../../src/core/pipeline/pipeline.ts';
import { readyContainer, readyServices } from '../../src/core/ready-containers.ts';
import { makeContext, makeJob, makeRun, makeSpec } from '../support/make.ts';

const service: ServiceSpec = {
  ...{
    name: 'db',
    image: 'postgres:${{ matrix.db }}',
    env: { A: '${{ needs.one.outputs.a }}' },
    ports: ['5433:5432/tcp', '80'],
  },
  ...{ command: "-c 'max connections=${{ matrix.db }}'", entrypoint: ['${{ vars.program }}', 'a b'], memoryBytes: 1 },
  ...{ health: { command: 'test ${{ matrix.db }}', interval: '1s' }, options: '--health-cmd x --health-retries 3' },
};

function of(changes: Partial<JobSpec>) {
  const spec = makeSpec('a', { axes: { db: 17, none: '' }, ...changes });
  const needs = { one: { result: 'success', outputs: { a: 'from one' } } };
  return { run: makeRun(), job: makeJob('a', { spec }), context: makeContext({ vars: { program: '/run-it' } }), needs };
}

describe('services', () => {
  it('are filled in from matrix, needs and vars when the job starts', () => {
    expect(readyServices(of({ services: [service] }))).toEqual([
      {
        ...{ name: 'db', image: 'postgres:17', env: { A: 'from one' }, ports: ['5432', '80'], memoryBytes: 1 },
        ...{ command: ['-c', 'max connections=17'], entrypoint: ['/run-it', 'a b'] },
        health: { command: 'test 17', interval: '1s', retries: 3 },
      },
    ]);
    expect(readyServices(of({}))).toEqual([]);
  });

  it('without an image are left out, as on GitHub', () => {
    expect(readyServices(of({ services: [{ ...service, image: '${{ matrix.none }}' }] }))).toEqual([]);
  });

  it.each<[Partial<ServiceSpec>, RegExp]>([
    [{ image: "${{ '-v /:/host' }}" }, /^services\.db\.image: "-v \/:\/host" is not the name of an image/],
    [{ image: "${{ fromJSON('{') }}" }, /^services\.db\.image: /],
    [{ options: "${{ '--privileged' }}" }, /^services\.db\.options: "--privileged"/],
    [{ command: "${{ '\"' }}" }, /^services\.db\.command: a quote/],
  ])('that come out wrong say where: %j', (changes, why) => {
    const ready = (): unknown => readyServices(of({ services: [{ ...service, ...changes }] }));
    expect(ready).toThrow(ExpressionFailure);
    expect(ready).toThrow(why);
  });
});

describe('a container', () => {
  it('is filled in, and none where its image comes out empty', () => {
    expect(readyContainer(of({ container: { image: 'node:${{ matrix.db }}', readOnly: true } }))).toEqual({
      ...{ image: 'node:17', readOnly: true },
    });
    expect(readyContainer(of({ container: { image: '${{ matrix.none }}', readOnly: true } }))).toBeNull();
    expect(readyContainer(of({}))).toBeNull();
  });

  it('that is no image says so', () => {
    expect(() => readyContainer(of({ container: { image: '${{ matrix.db }} x', readOnly: false } }))).toThrow(
      /^container: "17 x" is not the name of an image/,
    );
  });
});
