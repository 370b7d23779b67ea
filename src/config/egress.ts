/** Where jobs may connect to: the part of the settings that `hearth run` takes as well. */
import type { EgressTarget } from '../core/egress.ts';
import type { Problem } from '../core/problem.ts';
import { failed, success, type Result } from '../core/result.ts';
import { settings, type Setting, type egressModes } from './settings.ts';

export interface EgressConfig {
  readonly mode: (typeof egressModes)[number];
  readonly allow: readonly EgressTarget[];
}

/** From the environment alone, or what is wrong with it. */
export function loadEgressConfig(
  environment: Readonly<Record<string, string | undefined>>,
): Result<EgressConfig, readonly Problem[]> {
  const problems: Problem[] = [];
  const read = <T>({ variable, schema }: Setting<T>, otherwise: T): T => {
    const given = environment[variable]?.trim() ?? '';
    if (given === '') return otherwise;
    const parsed = schema.safeParse(given);
    if (parsed.success) return parsed.data;
    for (const { message } of parsed.error.issues)
      problems.push({ code: 'bad-setting', message: `${variable} ${message}.`, file: 'environment' });
    return otherwise;
  };
  const config = {
    mode: read<EgressConfig['mode']>(settings.egress, 'auto'),
    allow: read<EgressConfig['allow']>(settings['egress-allow'], []),
  };
  return problems.length > 0 ? failed(problems) : success(config);
}
