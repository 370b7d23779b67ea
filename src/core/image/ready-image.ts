/** `image` of a job with its expressions filled in, when the job starts. */
import { jobValues } from '../contexts.ts';
import { ExpressionFailure, renderTemplate } from '../expression/expression.ts';
import { insidePathFault, normalPath } from '../pipeline/pipeline-paths.ts';
import type { Claim } from '../ports.ts';
import type { SecretTexts } from '../secrets/secrets-port.ts';
import { shown } from '../shown.ts';
import type { ImageSpec } from './image-spec.ts';
import { isForAll } from './image-names.ts';
import { parseReference, type ImageReference } from './reference.ts';

export interface ReadyImage extends Pick<ImageSpec, 'platforms' | 'facts'> {
  /** Paths from the top of the workspace. */
  readonly context: string;
  readonly file: string;
  readonly target: string | null;
  readonly args: Readonly<Record<string, string>>;
  readonly push: readonly PushTarget[];
  readonly credentials: { readonly username: string; readonly password: string } | null;
}

export interface PushTarget extends ImageReference {
  readonly tag: string;
  /** As it was written, with its tag. */
  readonly name: string;
}

/** Throws ExpressionFailure with the key in front, also for what is only wrong once it is filled in. */
export function readyImage(claim: Claim, spec: ImageSpec, secrets: SecretTexts): ReadyImage {
  const values = jobValues(claim.run, claim.context, claim.job, claim.needs);
  const withSecrets = { ...values, contexts: { ...values.contexts, secrets } };
  const render = (text: string, key: string, all = values): string => {
    try {
      return renderTemplate(text, all);
    } catch (cause) {
      if (!(cause instanceof ExpressionFailure)) throw cause;
      throw new ExpressionFailure(`image.${key}: ${cause.message}`, { cause });
    }
  };
  const path = (text: string, key: string, kind: 'never-top' | 'top-allowed'): string => {
    const found = render(text, key).trim();
    const fault = insidePathFault(found, kind);
    if (fault !== undefined) throw new ExpressionFailure(`image.${key}: ${shown(found)} ${fault}`);
    return normalPath(found);
  };
  const context = path(spec.context, 'context', 'top-allowed');
  const target = spec.target === null ? '' : render(spec.target, 'target').trim();
  const { credentials } = spec;
  return {
    context,
    file: spec.file === null ? normalPath(`${context}/Dockerfile`) : path(spec.file, 'file', 'never-top'),
    target: target === '' ? null : target,
    args: Object.fromEntries(Object.entries(spec.args).map(([name, text]) => [name, render(text, `args.${name}`)])),
    ...{ platforms: spec.platforms, facts: spec.facts },
    push: spec.push.flatMap((text) => pushTarget(render(text, 'push').trim())),
    credentials:
      credentials === null
        ? null
        : {
            username: render(credentials.username, 'credentials.username', withSecrets),
            password: render(credentials.password, 'credentials.password', withSecrets),
          },
  };
}

function pushTarget(name: string): readonly PushTarget[] {
  if (name === '') return [];
  const found = parseReference(name);
  if (found === undefined || found.digest !== null)
    throw new ExpressionFailure(`image.push: ${shown(name)} is not registry/name:tag`);
  if (!isForAll(name))
    throw new ExpressionFailure(`image.push: ${shown(name)} is a name that only Hearth itself gives`);
  return [{ ...found, tag: found.tag ?? 'latest', name: found.tag === null ? `${name}:latest` : name }];
}
