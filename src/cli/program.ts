/** What can be typed: verbs, their arguments and options, and which function each is. docs/cli.md says the same. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { approve } from './approve.ts';
import { cancel } from './cancel.ts';
import { doctor } from './doctor.ts';
import { forPipelines, type VerbContext } from './exit.ts';
import { list } from './list.ts';
import { lint } from './lint.ts';
import { logs } from './logs.ts';
import { migrate, type MigrateOptions } from './migrate.ts';
import { preview } from './preview.ts';
import { rerun, type RerunOptions } from './rerun.ts';
import { run } from './run.ts';
import { runs } from './runs.ts';
import { listSecrets, removeSecret, setSecret, type SecretOptions } from './secret.ts';
import { serve } from './serve.ts';
import { shell } from './shell.ts';
import { trigger } from './trigger.ts';
import { verify, type VerifyOptions } from './verify.ts';
import type { Role } from '../daemon.ts';

/** Gives a verb its context and takes its exit code. commander passes the verb's own arguments first. */
export type Verb = <A extends unknown[]>(
  act: (context: VerbContext, ...args: A) => Promise<number>,
) => (...args: A) => Promise<void>;

export interface ProgramParts {
  readonly version: string;
  readonly verb: Verb;
  /** Standard input, or undefined at a terminal. */
  readonly readInput: () => Promise<string | undefined>;
  /** Somebody sits at standard input and output. */
  readonly isTerminal: boolean;
}

export function createProgram({ version, verb, readInput, isTerminal }: ProgramParts): Command {
  const program = new Command('hearth')
    .description('Self-hosted CI: push to verdict in seconds, in warm containers on a box you own.')
    .version(version)
    .option('-C <dir>', 'as if started in that folder', '.')
    .addOption(new Option('-o <format>', 'output format').choices(['text', 'json']).default('text'))
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();

  for (const [role, text] of [
    ['serve', 'Receive pushes and run their jobs, in one process.'],
    ['web', 'Receive pushes, serve logs and API; never touches Docker.'],
    ['worker', 'Plan, schedule and run jobs; opens no port.'],
  ] as const satisfies readonly (readonly [Role, string])[]) {
    program
      .command(role)
      .description(text)
      .action(verb((context) => serve(role, context, context.interrupted)));
  }

  program
    .command('run [jobs...]')
    .description('Run the pipeline of the working tree here and now, uncommitted files included.')
    .option('--needs', 'also what the named jobs need')
    .option('--only <job>', 'only this job and what it needs (may be repeated)', collect, [])
    .option('--skip <job>', 'without this job and what needs it (may be repeated)', collect, [])
    .option(
      '--matrix <axis=value>',
      'of matrix jobs only the combinations with this value (may be repeated)',
      collectPair,
      {},
    )
    .option('--pipeline <name>', 'only this pipeline')
    .option('--secret <name>', 'give jobs this variable of the environment as a secret (may be repeated)', collect, [])
    .option('--record <file>', 'write what -o json prints to this file as well')
    .action(
      verb((context, jobs: string[], options: RunFlags) =>
        run(
          {
            jobs,
            needs: options.needs === true,
            only: options.only,
            skip: options.skip,
            axes: options.matrix,
            secrets: options.secret,
            ...(options.pipeline === undefined ? {} : { pipeline: options.pipeline }),
            ...(options.record === undefined ? {} : { record: options.record }),
          },
          context,
        ),
      ),
    );

  program
    .command('lint [files...]')
    .description('Check pipeline files; without arguments those of the working tree.')
    .action(verb((context, files: string[]) => lint({ ...forPipelines(context), files })));

  program
    .command('preview')
    .description('Show what would run, level by level.')
    .addOption(new Option('--event <name>', 'the event').choices(['push', 'pull_request']).default('push'))
    .option('--branch <name>', 'branch of the push, or base of the pull request', 'main')
    .action(
      verb((context, options: { event: 'push' | 'pull_request'; branch: string }) =>
        preview({ ...forPipelines(context), ...options }),
      ),
    );

  program
    .command('list')
    .description('List pipelines and their jobs.')
    .action(verb((context) => list(forPipelines(context))));

  program
    .command('runs')
    .description('List runs, newest first.')
    .option('--repo <owner/name>')
    .option('--branch <name>')
    .addOption(new Option('--state <state>').choices(['queued', 'running', 'finished']))
    .option('--limit <n>', 'at most so many (1 to 100)', wholeNumber, 20)
    .action(
      verb((context, options: { repo?: string; branch?: string; state?: string; limit: number }) =>
        runs(options, context),
      ),
    );

  program
    .command('logs <sha|run>')
    .description('Print the logs of a run, or of the newest runs of a commit.')
    .option('-f, --follow', 'go on until the jobs have ended')
    .option('--failed', 'only of jobs that did not succeed')
    .option('--job <name>', 'only of this job')
    .action(
      verb((context, target: string, options: { follow?: boolean; failed?: boolean; job?: string }) =>
        logs(
          target,
          {
            follow: options.follow === true,
            failed: options.failed === true,
            ...(options.job === undefined ? {} : { job: options.job }),
          },
          context,
        ),
      ),
    );

  program
    .command('trigger <repo> <ref>')
    .description('Start pipelines that have workflow_dispatch, at the newest commit of a branch or tag.')
    .option('--pipeline <name>', 'only this pipeline')
    .option('--sha <commit>', 'at this commit of the ref (40 hex digits)')
    .option('--input <name=value>', 'a value for an input (may be repeated)', collectPair, {})
    .option('-f, --wait', 'wait for the verdict')
    .action(
      verb((context, repo: string, ref: string, { pipeline, sha, input, wait }: TriggerFlags) =>
        trigger(
          repo,
          ref,
          {
            inputs: input,
            wait: wait === true,
            ...(pipeline === undefined ? {} : { pipeline }),
            ...(sha === undefined ? {} : { sha }),
          },
          context,
        ),
      ),
    );

  program
    .command('cancel <run> [job]')
    .description('Stop a run, or one job of it.')
    .action(verb((context, id: string, job: string | undefined) => cancel(id, job, context)));
  program
    .command('approve <run> <sha>')
    .description("Let a fork's pull request run at this commit (all of its 40 hex digits).")
    .action(verb((context, id: string, sha: string) => approve(id, sha, context)));

  program
    .command('rerun <run>')
    .description('Run a finished run again; what is not run again stands as it was observed.')
    .option('--failed', 'only jobs that did not succeed, and what needs them')
    .option('--job <name>', 'only this job, and what needs it')
    .action(verb((context, id: string, options: RerunOptions) => rerun(id, options, context)));

  program
    .command('shell <run> <job> [command...]')
    .description("Look into a copy of a failed job's workspace, on the worker's machine; a command follows after --.")
    .action(
      verb((context, id: string, job: string, command: string[]) => shell(id, job, command, isTerminal, context)),
    );

  const secret = program.command('secret').description('Secrets of repositories, for their jobs.');
  secret
    .command('set <name>')
    .description('Keep what is piped in as a secret, in the place of an earlier one.')
    .requiredOption('--repo <owner/name>', 'the repository')
    .option('--trust <class>', 'only for runs of T1 or T2 (may be repeated; default: both)', collect, [])
    .option('--event <name>', 'only for runs of this event (may be repeated; default: all)', collect, [])
    .action(verb((context, name: string, options: SecretOptions) => setSecret(name, options, context, readInput)));
  secret
    .command('list')
    .description('Names and limits of secrets, never their texts.')
    .option('--repo <owner/name>', 'only of this repository')
    .action(verb((context, options: { repo?: string }) => listSecrets(options.repo, context)));
  secret
    .command('rm <name>')
    .description('Remove a secret.')
    .requiredOption('--repo <owner/name>', 'the repository')
    .action(verb((context, name: string, options: { repo: string }) => removeSecret(name, options.repo, context)));

  program
    .command('migrate <file>')
    .description(
      'Write a pipeline file from a GitHub Actions workflow or a .gitlab-ci.yml; the original stays as it is.',
    )
    .addOption(new Option('--from <kind>', 'what the file is, when that cannot be told').choices(['github', 'gitlab']))
    .option('-O, --output <path>', 'where to write instead of .hearth/<name>.yml; - is standard output')
    .option('--force', 'write over a file that is there')
    .action(verb((context, file: string, options: MigrateOptions) => migrate(file, options, context)));

  program
    .command('verify <image|file> [command...]')
    .description('Look whether the programs of an image, or a file, can run there; a command follows after --.')
    .option('--platform <name>', 'what it is to run on, such as linux/arm64 (default: what it says, or this machine)')
    .option('--binary <path>', 'only this program of the image (may be repeated)', collect, [])
    .action(
      verb((context, subject: string, command: string[], options: VerifyOptions) =>
        verify(subject, command, options, context),
      ),
    );

  program.command('doctor').description('Look at what a run needs on this machine.').action(verb(doctor));
  return program;
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

interface RunFlags {
  readonly needs?: boolean;
  readonly only: string[];
  readonly secret: string[];
  readonly skip: string[];
  readonly matrix: Readonly<Record<string, string>>;
  readonly pipeline?: string;
  readonly record?: string;
}

interface TriggerFlags {
  readonly pipeline?: string;
  readonly sha?: string;
  readonly input: Readonly<Record<string, string>>;
  readonly wait?: boolean;
}

function collectPair(text: string, before: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError('Write it as name=value.');
  return { ...before, [name]: value };
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text) || Number(text) > 100)
    throw new InvalidArgumentError('It must be a number from 1 to 100.');
  return Number(text);
}
