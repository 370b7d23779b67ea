import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planDockerfile, type DockerfileRequest } from '../../../src/core/image/dockerfile.ts';

const native = 'linux/amd64';

function plan(text: string, more: Partial<DockerfileRequest> = {}) {
  return planDockerfile({ text, target: null, args: {}, platform: 'linux/arm64', buildPlatform: native, ...more });
}

function planned(text: string, more: Partial<DockerfileRequest> = {}) {
  const found = plan(text, more);
  if (!found.ok) throw new Error(found.problem.join('; '));
  return found.value;
}

function problemsOf(text: string, more: Partial<DockerfileRequest> = {}): readonly string[] {
  const found = plan(text, more);
  return found.ok ? [] : found.problem;
}

const multi = `# escape=\\
ARG BASE=debian:bookworm-slim
FROM --platform=$BUILDPLATFORM \${BASE} AS build
RUN --mount=type=bind,from=tools:1,target=/t \\
    make
FROM debian:bookworm-slim AS other
RUN true
FROM scratch AS facts
COPY --from=build /f /outputs
FROM \${BASE} AS final
COPY --from=build /out /out
COPY --from=quay.io/x/y:1 /a /b
`;

describe('a Dockerfile', () => {
  it('tells which images it needs, and for which platform', () => {
    expect(planned(multi).bases).toEqual([
      { name: 'debian:bookworm-slim', platform: native },
      { name: 'tools:1', platform: native },
      { name: 'debian:bookworm-slim', platform: 'linux/arm64' },
      { name: 'quay.io/x/y:1', platform: 'linux/arm64' },
    ]);
  });

  it('needs only what its target needs', () => {
    expect(planned(multi, { target: 'facts' }).bases.map(({ name }) => name)).toEqual([
      'debian:bookworm-slim',
      'tools:1',
    ]);
    expect(planned(multi, { target: 'OTHER' }).bases).toEqual([
      { name: 'debian:bookworm-slim', platform: 'linux/arm64' },
    ]);
    expect(planned('FROM a AS x\nFROM x\nCOPY --from=0 /a /b\n').bases).toEqual([
      { name: 'a', platform: 'linux/arm64' },
    ]);
  });

  it('is the same text but for its bases', () => {
    const text = planned(multi).rewrite(({ name, platform }) => `[${name} ${platform}]`);
    expect(text).toBe(
      multi
        .replace('$BUILDPLATFORM ${BASE}', '$BUILDPLATFORM [debian:bookworm-slim linux/amd64]')
        .replace('from=tools:1', 'from=[tools:1 linux/amd64]')
        .replace('FROM ${BASE} AS final', 'FROM [debian:bookworm-slim linux/arm64] AS final')
        .replace('quay.io/x/y:1', '[quay.io/x/y:1 linux/arm64]'),
    );
  });

  it('with other line ends, comments and here-documents is rewritten in the right places', () => {
    const text = 'FROM a\r\n# FROM no\r\nRUN <<EOF\r\nFROM what is no instruction\r\nEOF\r\nFROM  b  AS  c\r\n';
    expect(planned(text).rewrite(({ name }) => name.toUpperCase())).toBe(text.replace('FROM  b', 'FROM  B'));
  });

  it('takes build arguments before its own defaults, and knows the platforms', () => {
    expect(planned(multi, { args: { BASE: 'mine:2' } }).bases[0]?.name).toBe('mine:2');
    const text = 'ARG TARGETARCH\nARG T=${TARGETARCH}-x\nARG NONE\nFROM a:${T}-${NONE:-else}${NONE:+then}\n';
    expect(planned(text).bases[0]?.name).toBe('a:arm64-x-else');
  });

  it('tells which stages would go through an emulator', () => {
    expect(
      planned('FROM --platform=$BUILDPLATFORM a AS build\nRUN x\nFROM a\nCOPY --from=build /a /a\n').foreign,
    ).toEqual([]);
    expect(planned('FROM a AS build\nRUN x\nFROM a\nCOPY --from=build /a /a\n').foreign).toEqual(['build']);
    expect(planned('FROM a\nRUN x\n', { platform: native }).foreign).toEqual([]);
    const built =
      'FROM --platform=$BUILDPLATFORM a AS tools\nFROM tools AS build\nRUN x\nFROM a\nCOPY --from=build /a /a\n';
    expect(planned(built).foreign).toEqual([]);
  });

  it('tells which of its lines may fetch something', () => {
    const text =
      'FROM a AS x\nADD https://a.example/b /b\nFROM a\nADD --chown=1:1 file.tar /f\nADD git@a.example:b /b\nCOPY a:b /c\nADD ["$URL", "/d"]\n';
    expect(planned(text).fetches).toEqual([5, 7]);
    expect(planned(text, { target: 'x' }).fetches).toEqual([2]);
  });

  it('that cannot be read says why', () => {
    expect(problemsOf('')).toEqual(['it has no FROM']);
    expect(problemsOf('RUN x\n')).toEqual(['it has no FROM']);
    expect(problemsOf('FROM a AS build\n', { target: 'bild' })).toEqual(['it has no target bild; it has build']);
    expect(problemsOf('FROM a\n', { target: 'x' })).toEqual(['it has no target x; it names none']);
    expect(problemsOf('FROM $WHAT\nFROM --platform=$OTHER a\n')).toEqual([
      'line 1: "$WHAT" has no value here; give it a default with ARG before the first FROM, or in image.args',
      'line 2: "$OTHER" has no value here; give it a default with ARG before the first FROM, or in image.args',
    ]);
  });

  it('may be any text', () => {
    const words = fc.constantFrom(
      'FROM',
      ' ',
      'a',
      '\n',
      '\\',
      '$A',
      '${A:-b}',
      ' AS x',
      'COPY --from=x',
      'RUN --mount=type=bind,from=',
      '<<E',
      '\r',
      '"',
      '#',
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 30 }), (parts) => {
        const found = plan(parts.join(''));
        if (found.ok) expect(found.value.rewrite(({ name }) => name)).toBeTypeOf('string');
        else expect(found.problem.length).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });
});

describe('what BuildKit could read otherwise', () => {
  it('is refused, so that no image is used that was not looked at', () => {
    const mounts = [
      'RUN --mount=type=bind,"from=other:1",target=/o cat',
      'RUN --mo\\unt=type=bind,fr\\om=other:1,target=/o cat',
      'RUN --mount=type=cache,target=/c\u00a0--mount=from=other:1,target=/o cat',
      'RUN --mount=type=cache,target=/c \v--mount=from=other:1,target=/o cat',
      'RUN\v--mount=from=other:1,target=/o cat',
      'RUN --mount=type=bind,from=own,from=other:1,target=/o cat',
      'RUN cat <<END\nFROM other:1 AS other\n#END\nEND',
      'RUN cat <<END\nFR\\\n# more\nOM other:1\n',
      'COPY <<END /x\nCOPY --from=other:1 /a /b\nEND',
      'FROM own AS other:1',
    ];
    for (const text of mounts) expect(problemsOf(`FROM base:1 AS own\n${text}\n`), text).toHaveLength(1);
    expect(problemsOf("FROM base:1\nRUN --mount='type=bind',from=other:1 cat\n")).toEqual([
      'line 2: its flags hold quotes, backslashes, line ends or odd spaces; write each as plain --name=value',
    ]);
    expect(planned('FROM base:1\nRUN --mount=type=bind,FROM=other:1 cat\n').bases.map(({ name }) => name)).toEqual([
      'base:1',
      'other:1',
    ]);
  });

  it('is not all that looks like it', () => {
    const text = 'RUN python3 <<END\nfrom os import path\nprint("--from")\nEND\nRUN a "--x" --y=\'z\' \\\n  --w\n';
    expect(problemsOf(`# syntax=docker/dockerfile:1.7-labs\n# escape=\\\nFROM base:1\n${text}`)).toEqual([]);
  });

  it('a program of its own that would read the file is refused', () => {
    for (const head of ['# syntax=other/frontend:1', '#Syntax = hearth/image:1', '\n// syntax=docker/dockerfiles'])
      expect(problemsOf(`${head}\nFROM base:1\n`).join(), head).toMatch(/its syntax is .*only docker\/dockerfile/);
  });
});
