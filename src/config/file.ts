/** The settings file: YAML text → raw values with their places. */
import { LineCounter, parseDocument, isMap, isScalar } from 'yaml';
import { nearestWord, type Position, type Problem } from '../core/problem.ts';
import { settingKeys, settings, type SettingKey } from './settings.ts';

export interface FileSettings {
  readonly values: ReadonlyMap<SettingKey, FileSetting>;
  readonly problems: readonly Problem[];
}

export interface FileSetting {
  readonly value: unknown;
  /** As written. */
  readonly name: string;
  readonly place: { readonly file: string; readonly position: Position };
}

/** Keys with an empty value count as absent. */
export function readFileSettings(file: { readonly path: string; readonly text: string }): FileSettings {
  const lines = new LineCounter();
  const document = parseDocument(file.text, { lineCounter: lines, prettyErrors: false });
  const placeOf = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { file: file.path, position: { line, column: col } };
  };
  if (document.errors.length > 0) {
    const problems = document.errors.map((error): Problem => ({
      code: 'yaml-syntax',
      message: `${error.message}. Correct the file.`,
      ...placeOf(error.pos[0]),
    }));
    return { values: new Map(), problems };
  }
  if (document.contents === null) return { values: new Map(), problems: [] };
  if (!isMap(document.contents)) {
    const message = 'The settings file must consist of lines such as "repos: owner/name".';
    return { values: new Map(), problems: [{ code: 'wrong-type', message, ...placeOf(0) }] };
  }
  const values = new Map<SettingKey, FileSetting>();
  const problems: Problem[] = [];
  for (const { key, value } of document.contents.items) {
    const name = String(isScalar(key) ? key.value : key);
    const place = placeOf(key.range[0]);
    const known = settingKeys.find((candidate) => candidate === name);
    if (known === undefined) {
      problems.push({
        code: 'unknown-setting',
        message: `Hearth has no setting "${name}"; ${adviceOn(name)}`,
        ...place,
      });
    } else {
      const plain: unknown = value?.toJS(document) ?? null;
      if (plain !== null && plain !== '') values.set(known, { value: plain, name, place });
    }
  }
  return { values, problems };
}

/** People also write the variable's name. */
function adviceOn(name: string): string {
  const asVariable = name.toUpperCase().replaceAll('-', '_');
  const nearest =
    settingKeys.find((key) => settings[key].variable === asVariable) ??
    nearestWord(name, settingKeys) ??
    nearestWord(name.replace(/^hearth[-_]/i, ''), settingKeys);
  return nearest === undefined ? 'docs/configuration.md lists all settings' : `did you mean "${nearest}"?`;
}
