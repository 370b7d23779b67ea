/** Actions of GitHub's that do not run here, and what stands in their place. */

const DEFAULT_ADVICE =
  'Actions do not run here. Write what it does as "run", or put its tool into the image ("sidecar").';

const advice: readonly (readonly [pattern: RegExp, text: string])[] = [
  [
    /^docker\/login-action$/,
    'Actions do not run here. As a command: `echo "$TOKEN" | docker login -u "$NAME" --password-stdin`.',
  ],
  [
    /^docker\/build-push-action$/,
    'Actions do not run here. An image is built by a job of its own, which has "image" (with push, and platforms) instead of steps; jobs that need it can run in it.',
  ],
  [
    /^docker\/setup-(?:qemu|buildx)-action$/,
    'Actions do not run here. Remove it: a job with "image" builds for the platforms it lists, and the machine is set up for them.',
  ],
  [
    /^docker\//,
    'Actions do not run here, and steps reach no Docker engine. An image is built by a job of its own, which has "image" instead of steps.',
  ],
  [/^docker:\/\//, 'A step runs in the image of its job. Make that image this one, or put what it runs into it.'],
  [/^\.\.?\//, 'An action of this repository: copy its steps to this place, or call its script with "run".'],
  [
    /^actions\/(?:upload|download)-artifact/,
    'Files of the jobs that this one needs are in its workspace already, where those jobs had them. Check the paths in the commands below.',
  ],
  [/^actions\/github-script$/, 'Actions do not run here. Call the API of GitHub with `curl` and a token of your own.'],
  [/^codecov\//, 'Actions do not run here. Upload with the command line of Codecov: `codecov upload-process`.'],
  [
    /^softprops\/action-gh-release$|^actions\/create-release$/,
    'Actions do not run here. As a command: `gh release create "$GITHUB_REF_NAME" FILES`, with a token of your own.',
  ],
  [
    /^pypa\/gh-action-pypi-publish$/,
    'Actions do not run here. As a command: `python -m twine upload dist/*`, with a token of your own.',
  ],
  [
    /^golangci\/golangci-lint-action$/,
    'Actions do not run here. As a command: `golangci-lint run`, with the tool in the image.',
  ],
  [
    /^pre-commit\/action$/,
    'Actions do not run here. As a command: `pip install pre-commit && pre-commit run --all-files`.',
  ],
  [
    /^peaceiris\/actions-gh-pages$|^actions\/(?:deploy|configure)-pages$|^actions\/upload-pages-artifact$/,
    'Pages are published by GitHub. Leave this part there.',
  ],
  [/^github\/codeql-action\//, 'CodeQL is a service of GitHub. Leave this part there.'],
];

/** What to do instead of an action, named without its version and in lower case. */
export function adviceFor(action: string): string {
  const [, text] = advice.find(([pattern]) => pattern.test(action)) ?? [];
  return text ?? DEFAULT_ADVICE;
}
