/** The pipeline files of a commit. */
import type { ReadIncluded } from '../core/pipeline/include.ts';
import { isPipelineFile, loadPipeline, PIPELINE_FOLDERS, pipelineNameOf } from '../core/pipeline/pipeline-file.ts';
import { duplicateName, sameName } from '../core/pipeline/pipeline-names.ts';
import { NO_PIPELINE, type Pipeline } from '../core/pipeline/pipeline.ts';
import { FileTooLarge, type Git } from '../core/ports.ts';
import type { Problem } from '../core/problem.ts';
import { failed, success, type Result } from '../core/result.ts';
import type { RepoRef } from '../core/run.ts';

export interface FoundPipeline {
  /** Known also when the file is broken, so that the broken file's status stands where its verdict would. */
  readonly name: string;
  readonly parsed: Result<Pipeline, readonly Problem[]>;
}

const MAX_FILES = 50;
const MAX_INCLUDED = 100;

/** All pipelines at a sha that is in the mirror, by file name; files that give one name twice count as one broken pipeline. */
export async function readPipelines(git: Git, repo: RepoRef, sha: string): Promise<readonly FoundPipeline[]> {
  for (const folder of PIPELINE_FOLDERS) {
    const files = (await git.list(repo, sha, folder)).filter(isPipelineFile);
    if (files.length > MAX_FILES) return [tooMany(folder)];
    const included = includedReader(git, repo, sha);
    const read = (file: string): Promise<ReadFile> => readOne(git, { repo, sha, file, included });
    if (files.length > 0) return withoutDuplicates(await Promise.all(files.map(read)));
  }
  return [];
}

interface ReadFile extends FoundPipeline {
  readonly file: string;
}

/** Pipelines share what they include, so each such file is read once; a commit cannot make more of them than honest ones do. */
function includedReader(git: Git, repo: RepoRef, sha: string): ReadIncluded {
  const known = new Map<string, ReturnType<ReadIncluded>>();
  const read: ReadIncluded = async (path) => {
    try {
      const text = await git.read(repo, sha, path);
      return text === undefined ? failed('is not there') : success(text);
    } catch (cause) {
      if (!(cause instanceof FileTooLarge)) throw cause;
      return failed('is larger than 1 MiB');
    }
  };
  return (path) => {
    const found = known.get(path);
    if (found !== undefined) return found;
    if (known.size >= MAX_INCLUDED) return Promise.resolve(failed('is one too many for this commit'));
    const reading = read(path);
    known.set(path, reading);
    return reading;
  };
}

interface FileToRead {
  readonly repo: RepoRef;
  readonly sha: string;
  readonly file: string;
  readonly included: ReadIncluded;
}

async function readOne(git: Git, { repo, sha, file, included }: FileToRead): Promise<ReadFile> {
  try {
    const text = (await git.read(repo, sha, file)) ?? '';
    const parsed = await loadPipeline(text, file, included);
    return { file, parsed, name: parsed.ok ? parsed.value.name : (pipelineNameOf(text, file) ?? NO_PIPELINE) };
  } catch (cause) {
    if (!(cause instanceof FileTooLarge)) throw cause;
    const problem: Problem = {
      code: 'bad-value',
      message: 'The file is larger than 1 MiB. Move long scripts into files of their own.',
      file,
    };
    return { file, parsed: failed([problem]), name: pipelineNameOf('', file) ?? NO_PIPELINE };
  }
}

function withoutDuplicates(found: readonly ReadFile[]): readonly FoundPipeline[] {
  return [...Map.groupBy(found, (one) => sameName(one.name)).values()].flatMap((group): readonly FoundPipeline[] => {
    const [first] = group;
    if (first === undefined || group.length === 1) return group;
    const { name } = first;
    const own = group.flatMap((one) => (one.parsed.ok ? [] : one.parsed.problem));
    // Broken files without a usable name are not alike because of that.
    if (name === NO_PIPELINE) return [{ name, parsed: failed(own) }];
    return [
      {
        name,
        parsed: failed([
          duplicateName(
            name,
            group.map((one) => one.file),
          ),
          ...own,
        ]),
      },
    ];
  });
}

function tooMany(folder: string): FoundPipeline {
  const message = `There are more than ${MAX_FILES} pipeline files in ${folder}. Join or remove some.`;
  return { name: NO_PIPELINE, parsed: failed([{ code: 'bad-value', message, file: folder }]) };
}
