// Everything a machine needs before jobs can run in containers, in the order in which the parts need each other.
import { BASE_IMAGE, ensureBaseImage } from './base-image.ts';
import { ensureCompiler } from './compiler.ts';
import { run } from './command.ts';
import { ensureDockerEngine } from './docker-engine.ts';
import { ensureEmulation } from './emulation.ts';
import { ensureOtherBaseImage } from './other-base-image.ts';
import { otherPlatformOf, type OtherPlatform } from './platforms.ts';
import { seconds, type Progress } from './progress.ts';

/** Engine, base image and compiler; may be repeated. Ends with one summary line. Throws SetUpError. */
export async function setUp(progress: Progress): Promise<void> {
  const startedAt = performance.now();
  const version = await ensureDockerEngine(progress);
  await ensureBaseImage(progress);
  await ensureCompiler(progress);
  progress.note('ready', `Docker ${version}, ${BASE_IMAGE}, cc (${seconds(performance.now() - startedAt)})`);
}

/**
 * After `setUp`: containers of the other platform run, too (arm64 on an amd64 engine and the other way round). May be
 * repeated. Returns which platform that is. Throws SetUpError.
 */
export async function setUpOtherPlatform(progress: Progress): Promise<OtherPlatform> {
  const startedAt = performance.now();
  const engine = await run('docker', ['version', '--format', '{{.Server.Arch}}']);
  const other = otherPlatformOf(engine.stdout.trim());
  await ensureOtherBaseImage(progress, other);
  await ensureEmulation(progress, other);
  progress.note('ready', `${other.platform}, ${other.baseImage} (${seconds(performance.now() - startedAt)})`);
  return other;
}
