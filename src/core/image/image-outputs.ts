/** What a job that built an image tells the jobs that need it. Pure. */
import { dashed, type ImageRecord } from './image-spec.ts';

export interface BuiltFacts {
  readonly platform: string;
  readonly facts: Readonly<Record<string, string>>;
}

/** `built` are the images of the record, with what their facts told. `hide` masks secrets in these. */
export function outputsOf(
  { digest, images }: ImageRecord,
  built: readonly BuiltFacts[],
  nativePlatform: string,
  hide: (text: string) => string,
): Readonly<Record<string, string>> {
  const main = images.find(({ platform }) => platform === nativePlatform) ?? images[0];
  const single = images.length === 1;
  const entries = [
    // First, so that none of them takes the place of what Hearth observed itself.
    ...built.flatMap(({ platform, facts }) =>
      Object.entries(facts).map(([name, value]) => [single ? name : `${name}-${dashed(platform)}`, hide(value)]),
    ),
    ['image', main?.reference ?? ''],
    ['digest', digest],
    ...images.flatMap((one) => [
      [`image-${dashed(one.platform)}`, one.reference],
      [`digest-${dashed(one.platform)}`, one.digest],
    ]),
  ];
  return Object.fromEntries(entries) as Readonly<Record<string, string>>;
}
