// Everything a machine needs before jobs can run in containers, in the order in which the parts need each other.
import { BASE_IMAGE, ensureBaseImage } from './base-image.ts';
import { ensureCompiler } from './compiler.ts';
import { ensureDockerEngine } from './docker-engine.ts';
import { seconds, type Progress } from './progress.ts';

/** Engine, base image and compiler; may be repeated. Ends with one summary line. Throws SetUpError. */
export async function setUp(progress: Progress): Promise<void> {
  const startedAt = performance.now();
  const version = await ensureDockerEngine(progress);
  await ensureBaseImage(progress);
  await ensureCompiler(progress);
  progress.note('ready', `Docker ${version}, ${BASE_IMAGE}, cc (${seconds(performance.now() - startedAt)})`);
}
