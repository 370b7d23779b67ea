/** What is worth knowing of a pipeline file that is right. */
import { keyPosition, labelOf, nodeAt } from './pipeline-issues.ts';
import { placed, type Problem } from '../problem.ts';
import type { YamlNode } from './yaml-tree.ts';

/** Keys that are taken and do nothing, so that a file may serve GitHub as well. */
export function notesOf(root: YamlNode, file: string): readonly Problem[] {
  const jobs = [...(nodeAt(root, ['jobs'])?.entries.keys() ?? [])];
  const note = (path: readonly string[], why: string): readonly Problem[] => {
    if (nodeAt(root, path) === undefined) return [];
    const message = `${labelOf(path)} has no effect here: ${why}. Remove it, or leave it for GitHub.`;
    return [placed({ code: 'no-effect', message, file, position: keyPosition(root, path) })];
  };
  const NO_TOKEN = "jobs get no token of GitHub's";
  return [
    ...note(['permissions'], NO_TOKEN),
    ...jobs.flatMap((job) => [
      ...note(['jobs', job, 'permissions'], NO_TOKEN),
      ...[...(nodeAt(root, ['jobs', job, 'services'])?.entries.keys() ?? [])].flatMap((service) =>
        note(['jobs', job, 'services', service, 'ports'], 'steps reach every port of a service by its name'),
      ),
    ]),
  ];
}
