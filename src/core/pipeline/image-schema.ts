/** `image` and `verify` of a job. */
import { z } from 'zod';
import type { ImageSpec } from '../image/image-spec.ts';
import type { VerifySpec } from '../verify/verify.ts';
import { splitWords } from '../words.ts';
import { folderInside, line, listOf, listOrOne, pathInside, scalar } from './schema-values.ts';
import type { Template } from './pipeline.ts';

const target = line.describe('The target of the Dockerfile (`FROM … AS name`) to build. Default: the last one.');

export const image = z.strictObject(
  {
    context: folderInside
      .optional()
      .describe('Folder that the build sees, from the top of the workspace. Default: the top.'),
    file: pathInside
      .optional()
      .describe('Dockerfile, from the top of the workspace. Default: `Dockerfile` in the context.'),
    target: target.optional(),
    args: z
      .record(
        z.string().regex(/^(?!BUILDKIT_)[A-Za-z_]\w*$/, {
          // They tell BuildKit itself what to do: whose caches a build sees, and what reads its Dockerfile.
          error: 'is not the name of an argument: letters, digits and "_", and not BUILDKIT_ at its beginning',
        }),
        scalar,
        {
          error: 'must be a mapping from names to values',
        },
      )
      .optional()
      .describe('Build arguments. Everybody can read them from the image: secrets go below `secrets`.'),
    facts: line
      .optional()
      .describe(
        'The target of the Dockerfile whose file `/outputs`, lines of `name=value`, gives the job more outputs.',
      ),
    push: listOrOne(line, 'must be the name of an image or a list of them', 1)
      .optional()
      .describe(
        'Where the image goes, `registry/name:tag`, once it is verified. One that comes out empty is left out.',
      ),
    credentials: z
      .strictObject(
        {
          username: line.describe('Who pushes.'),
          password: line.describe('Password or token, as `${{ secrets.NAME }}`.'),
        },
        { error: 'must be a mapping with username and password' },
      )
      .optional()
      .describe('For the registries of `push`. Default: what `docker login` left on the machine.'),
  },
  { error: 'must be a mapping, such as {context: .}; the image that a job runs in stands at "container"' },
);

const words = listOrOne(line, 'must be a command, as one text or as a list of words', 1);

export const verify = z.strictObject(
  {
    binaries: listOrOne(line, 'must be a path or a list of paths', 1)
      .optional()
      .describe('Programs of the image, by path or by a name on its PATH. Default: what the image starts.'),
    run: words
      .optional()
      .describe('A command that has to end with 0 in a container of the image, without a network and without a shell.'),
  },
  { error: 'must be a mapping with binaries and run' },
);

type Written = (path: readonly string[]) => Readonly<Record<string, string>>;

/** `written` gives a mapping of the job as it stands in the file. */
export function imageOf(input: z.output<typeof image>, platforms: readonly string[], written: Written): ImageSpec {
  return {
    context: input.context ?? '.',
    file: input.file ?? null,
    target: input.target ?? null,
    args: written(['image', 'args']),
    platforms,
    facts: input.facts ?? null,
    push: listOf(input.push ?? []),
    credentials: input.credentials ?? null,
  };
}

export function checksOf(input: z.output<typeof verify>): VerifySpec {
  const run = typeof input.run === 'string' ? (splitWords(input.run) ?? null) : (input.run ?? null);
  return { binaries: listOf(input.binaries ?? []), run };
}

/** Texts of an image that may name secrets. */
export function secretTextsOf(input: z.output<typeof image> | undefined): readonly Template[] {
  return input?.credentials === undefined ? [] : [input.credentials.username, input.credentials.password];
}

export const imageKeys = {
  image: Object.keys(image.shape),
  credentials: ['username', 'password'],
  verify: Object.keys(verify.shape),
};
