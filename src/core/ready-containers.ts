/** `container` and `services` of a job with their expressions filled in, when the job starts. */
import { healthOptions, imageName, type ContainerSpec, type ReadyService } from './containers.ts';
import { jobValues } from './contexts.ts';
import { ExpressionFailure, renderTemplate } from './expression/expression.ts';
import type { Claim } from './ports.ts';
import { shown } from './shown.ts';
import { splitWords } from './words.ts';

type Of = Pick<Claim, 'run' | 'job' | 'context' | 'needs'>;

/** The job's own image, or null when it runs in the run's sidecar. Throws ExpressionFailure with the key in front. */
export function readyContainer(of: Of): ContainerSpec | null {
  const { container } = of.job.spec;
  if (container === undefined) return null;
  const image = renderer(of)(container.image, 'container').trim();
  if (image === '') return null;
  requireImage(image, 'container');
  return { ...container, image };
}

/**
 * The job's services, without those whose image came out empty (as on GitHub). Throws ExpressionFailure with the key in
 * front, also for what is only wrong once it is filled in.
 */
export function readyServices(of: Of): readonly ReadyService[] {
  const render = renderer(of);
  return (of.job.spec.services ?? []).flatMap((spec): readonly ReadyService[] => {
    const label = `services.${spec.name}`;
    const image = render(spec.image, `${label}.image`).trim();
    if (image === '') return [];
    requireImage(image, `${label}.image`);
    const words = (key: 'command' | 'entrypoint'): readonly string[] | null => {
      const given = spec[key];
      if (given === null) return null;
      if (typeof given !== 'string') return given.map((word) => render(word, `${label}.${key}`));
      const split = splitWords(render(given, `${label}.${key}`));
      if (split === undefined) throw new ExpressionFailure(`${label}.${key}: a quote is not closed`);
      return split;
    };
    const { command, ...times } = spec.health;
    const options = healthOptions(render(spec.options, `${label}.options`));
    if (!options.ok) throw new ExpressionFailure(`${label}.options: ${options.problem}`);
    const own = command === undefined ? {} : { command: render(command, `${label}.health.command`) };
    return [
      {
        ...{ name: spec.name, image, memoryBytes: spec.memoryBytes },
        env: Object.fromEntries(
          Object.entries(spec.env).map(([name, text]) => [name, render(text, `${label}.env.${name}`)]),
        ),
        ports: spec.ports.map((port) => containerPort(render(port, `${label}.ports`))),
        ...{ command: words('command'), entrypoint: words('entrypoint') },
        health: { ...options.value, ...times, ...own },
      },
    ];
  });
}

/** `8080:80/tcp` on GitHub maps the host's port; here only the container's own counts. */
function containerPort(text: string): string {
  return (text.split(':').at(-1) ?? '').replace(/\/.*$/, '').trim();
}

function renderer(of: Of): (text: string, label: string) => string {
  const values = jobValues(of.run, of.context, of.job, of.needs);
  return (text, label) => {
    try {
      return renderTemplate(text, values);
    } catch (cause) {
      if (!(cause instanceof ExpressionFailure)) throw cause;
      throw new ExpressionFailure(`${label}: ${cause.message}`, { cause });
    }
  };
}

function requireImage(image: string, label: string): void {
  if (!imageName.test(image))
    throw new ExpressionFailure(`${label}: ${shown(image)} is not the name of an image, such as postgres:17`);
}
