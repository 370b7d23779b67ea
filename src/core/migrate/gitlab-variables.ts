/** GitLab's predefined variables, and what they are here. */

const isMergeRequest = "github.event_name == 'pull_request'";

/** As an expression that may stand in `env` of the file. */
export const expressions: Readonly<Record<string, string>> = {
  CI_COMMIT_SHA: 'github.sha',
  CI_COMMIT_BEFORE_SHA: 'github.event.before',
  CI_COMMIT_REF_NAME: 'github.ref_name',
  CI_COMMIT_BRANCH: "startsWith(github.ref, 'refs/heads/') && github.ref_name || ''",
  CI_COMMIT_TAG: "startsWith(github.ref, 'refs/tags/') && github.ref_name || ''",
  CI_COMMIT_MESSAGE: 'github.event.head_commit.message',
  CI_COMMIT_AUTHOR: 'github.event.head_commit.author.name',
  CI_COMMIT_TIMESTAMP: 'github.event.head_commit.timestamp',
  CI_DEFAULT_BRANCH: 'github.event.repository.default_branch',
  CI_JOB_NAME: 'github.job',
  CI_PIPELINE_ID: 'github.run_id',
  CI_PIPELINE_IID: 'github.run_number',
  CI_PIPELINE_SOURCE: `${isMergeRequest} && 'merge_request_event' || github.event_name`,
  CI_PROJECT_DIR: 'github.workspace',
  CI_PROJECT_ID: 'github.repository_id',
  CI_PROJECT_NAME: 'github.event.repository.name',
  CI_PROJECT_NAMESPACE: 'github.repository_owner',
  CI_PROJECT_PATH: 'github.repository',
  CI_PROJECT_URL: 'github.event.repository.html_url',
  CI_MERGE_REQUEST_ID: 'github.event.pull_request.id',
  CI_MERGE_REQUEST_IID: 'github.event.pull_request.number',
  CI_MERGE_REQUEST_TITLE: 'github.event.pull_request.title',
  CI_MERGE_REQUEST_SOURCE_BRANCH_NAME: 'github.head_ref',
  CI_MERGE_REQUEST_TARGET_BRANCH_NAME: 'github.base_ref',
  CI_EXTERNAL_PULL_REQUEST_IID: 'github.event.pull_request.number',
  GITLAB_USER_LOGIN: 'github.actor',
};

/** As a line of shell: expressions cannot cut or replace. */
export const exports: Readonly<Record<string, string>> = {
  CI_COMMIT_SHORT_SHA: 'export CI_COMMIT_SHORT_SHA="$(printf %.8s "$GITHUB_SHA")"',
  CI_COMMIT_REF_SLUG:
    'export CI_COMMIT_REF_SLUG="$(printf %s "$GITHUB_REF_NAME" | tr A-Z a-z | tr -c a-z0-9 - | cut -c1-63)"',
  CI_PROJECT_PATH_SLUG:
    'export CI_PROJECT_PATH_SLUG="$(printf %s "$GITHUB_REPOSITORY" | tr A-Z a-z | tr -c a-z0-9 - | cut -c1-63)"',
};

/** Jobs have these here as well. */
const shared: ReadonlySet<string> = new Set(['CI', 'CI_NODE_INDEX', 'CI_NODE_TOTAL']);

export interface UsedVariables {
  /** Those that `env` can give. */
  readonly mapped: readonly string[];
  /** Those that a line of shell can make. */
  readonly exported: readonly string[];
  /** Those that have no value here. */
  readonly missing: readonly string[];
}

/** The predefined variables that a script or a value mentions; `own` are variables of the file itself. */
export function usedVariables(text: string, own: (name: string) => boolean): UsedVariables {
  const names = [...new Set([...text.matchAll(/\$\{?((?:CI|GITLAB)(?:_[A-Z0-9]+)*)\b/g)].map(([, name = '']) => name))];
  const foreign = names.filter((name) => !shared.has(name) && !own(name));
  const mapped = foreign.filter((name) => Object.hasOwn(expressions, name));
  const exported = foreign.filter((name) => Object.hasOwn(exports, name));
  return { mapped, exported, missing: foreign.filter((name) => !mapped.includes(name) && !exported.includes(name)) };
}

/** Settings of GitLab's runner, which nothing reads here. */
export function isRunnerSetting(name: string): boolean {
  return /^(?:GIT_(?:DEPTH|STRATEGY|SUBMODULE_\w+|CHECKOUT|CLEAN_FLAGS|FETCH_EXTRA_FLAGS|CLONE_PATH)|FF_\w+|(?:ARTIFACT|CACHE)_COMPRESSION_LEVEL|TRANSFER_METER_FREQUENCY|CACHE_FALLBACK_KEY|GET_SOURCES_ATTEMPTS|KUBERNETES_\w+|SECURE_\w+)$/.test(
    name,
  );
}

/**
 * The value with the variables in it written out, since nothing expands them in `env`: predefined ones as expressions, those
 * of the file by their values. Undefined when one of them is known to nobody.
 */
export function expanded(
  value: string,
  valueOf: (name: string) => string | undefined,
  budget = { left: 100 },
): string | undefined {
  const unknown: string[] = [];
  const text = value.replace(/\$\$|\$(?:\{(\w+)\}|([A-Za-z_]\w*))/g, (all, braced?: string, bare?: string) => {
    const name = braced ?? bare;
    if (name === undefined) return '$';
    const own = valueOf(name);
    budget.left -= 1;
    if (own !== undefined && budget.left > 0) {
      const below = expanded(own, (one) => (one === name ? undefined : valueOf(one)), budget);
      if (below !== undefined) return below;
    }
    if (Object.hasOwn(expressions, name)) return `\${{ ${expressions[name] ?? ''} }}`;
    unknown.push(name);
    return all;
  });
  return unknown.length === 0 && text.length <= MAX_LENGTH ? text : undefined;
}

/** Values double with every variable in them. */
const MAX_LENGTH = 10_000;
