/** The command that runs a step's script. As on GitHub, but for the default, which is `bash -e` where there is a bash. */

/** `shell` as a pipeline file gives it; empty for the default, which only the slot can know. */
export function shellCommand(shell: string | null, script: string): readonly string[] {
  switch (shell) {
    case null:
      return [];
    case 'bash':
      return ['bash', '--noprofile', '--norc', '-eo', 'pipefail', script];
    case 'sh':
      return ['sh', '-e', script];
    case 'python':
    case 'python3':
      return [shell, script];
    default:
      return shell
        .split(/\s+/)
        .filter((word) => word !== '')
        .map((word) => word.replaceAll('{0}', script));
  }
}
