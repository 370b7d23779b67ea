/**
 * Containers beside a job, on a network of its own. Everything of an attempt carries its label, so that whoever comes
 * later, also after a crash, finds and removes it without having been told.
 */
import type { ReadyService, ServiceContext } from '../core/containers.ts';
import type { Subnet } from '../core/egress.ts';
import { ExpressionFailure } from '../core/expression/expression.ts';
import { error } from '../core/outcome.ts';
import type { Claim, ExecutionSignals } from '../core/ports.ts';
import { readyServices } from '../core/ready-containers.ts';
import { Ended } from './ended.ts';
import type { Egress } from './egress.ts';
import type { Engine, ImageInfo } from './engine.ts';
import type { Masker } from './raw-log.ts';
import { serviceArgs, startHeld } from './service-container.ts';
import { waitUntilReady, type ServiceState } from './service-health.ts';
import type { Sidecars } from './sidecars.ts';
import type { Slot } from './slot.ts';

export interface Services {
  /** Begins to start the job's services; returns at once. */
  begin(claim: Claim, signals: ExecutionSignals, say: (text: string) => void): StartingServices;
  /** Brings the slot into the network of its job. Rejects with the engine's words. */
  join(running: RunningServices, slot: Slot): Promise<void>;
  /** What the services of an attempt said last, for the log of a job that failed; masked. Never rejects. */
  lastLines(claim: Claim, masker: Masker): Promise<string>;
  /** Removes containers and network of an attempt. May be repeated. */
  remove(claim: Claim): Promise<void>;
  /** Removes those of all attempts but these. May be repeated. */
  sweep(keep: ReadonlySet<string>): Promise<void>;
}

export interface StartingServices {
  /**
   * Resolves when all are healthy, or running where they have no health check; null when the job has none. Rejects with
   * Ended; `abandon` then removes what there is.
   */
  readonly ready: Promise<RunningServices | null>;
  /** The job will not need them. Resolves when nothing is left that was there; what is being made goes when it is made. */
  abandon(): Promise<void>;
}

export interface RunningServices {
  readonly network: string;
  readonly subnet: Subnet;
  readonly contexts: Readonly<Record<string, ServiceContext>>;
}

export interface ServicesParts {
  readonly engine: Engine;
  readonly sidecars: Sidecars;
  readonly egress: Egress;
  readonly supervisor: string;
  /** Tells those of this data folder from all others. */
  readonly label: string;
  readonly masker: (texts: readonly string[]) => Masker;
  readonly onError: (error: unknown) => void;
}

const LAST_LINES = 20;
const LAST_BYTES = 16 * 1024;

export function openServices(parts: ServicesParts): Services {
  const { engine, label } = parts;

  async function start(claim: Claim, stop: AbortSignal, say: (text: string) => void): Promise<RunningServices | null> {
    const wanted = fillIn(claim);
    if (wanted.length === 0) return null;
    const images = await Promise.all(wanted.map((service) => imageOf(claim, service, say)));
    stop.throwIfAborted();
    const network = await makeNetwork(claim);
    const runs = await Promise.allSettled(
      wanted.map(async (service, index) => run(claim, service, images[index] as ImageInfo, network)),
    );
    const ids = runs.map((one) => {
      if (one.status === 'rejected') throw one.reason as Error;
      return one.value;
    });
    const names = wanted.map(({ name }) => name);
    const states = await waitUntilReady({ engine, ids, names, timeoutMs: claim.job.spec.timeoutMs, stop });
    const failed = states.find(({ trouble }) => trouble !== null);
    if (failed !== undefined) {
      say(await lastLinesOf(parts.masker([]), [failed]));
      throw new Ended(error('config', `services.${failed.name}: ${failed.trouble ?? ''}`));
    }
    for (const { name } of states.filter(({ hasHealthCheck }) => !hasHealthCheck))
      say(`services.${name} runs and has no health check, so it may not be ready yet; give it \`health\`\n`);
    const contexts = wanted.map(({ name, ports }, index): [string, ServiceContext] => [
      name,
      { id: ids[index] ?? '', network: network.name, ports: Object.fromEntries(ports.map((port) => [port, port])) },
    ]);
    say(`services: ${names.join(', ')}\n`);
    return { network: network.name, subnet: network.subnet, contexts: Object.fromEntries(contexts) };
  }

  async function imageOf({ run }: Claim, service: ReadyService, say: (text: string) => void) {
    const image = await parts.sidecars.named(service.image, run, say);
    if (image.ok) return image.value;
    say(`${image.problem}\n`);
    const why = image.problem.trimEnd().split('\n').at(-1) ?? '';
    throw new Ended(error('image', `services.${service.name}.image: ${service.image} could not be had: ${why}`));
  }

  async function makeNetwork(claim: Claim): Promise<{ readonly name: string; readonly subnet: Subnet }> {
    const name = `hearth-${label.split('=').at(-1) ?? ''}-${keyOf(claim)}`;
    await engine
      .command(['network', 'create', ...labels(claim).flatMap((one) => ['--label', one]), name])
      .catch((cause: unknown) => {
        throw new Ended(error('config', `no network could be made for services: ${messageOf(cause)}`));
      });
    const [made] = JSON.parse(await engine.command(['network', 'inspect', name])) as {
      readonly IPAM: { readonly Config: readonly { readonly Subnet: string; readonly Gateway: string }[] };
    }[];
    const ipam = made?.IPAM.Config[0];
    if (ipam === undefined) throw new Error(`the engine gave the network ${name} no addresses`);
    return { name, subnet: { cidr: ipam.Subnet, gateway: ipam.Gateway } };
  }

  async function run(
    claim: Claim,
    service: ReadyService,
    image: ImageInfo,
    { name: network, subnet }: { readonly name: string; readonly subnet: Subnet },
  ): Promise<string> {
    const isHeld = parts.egress.isRestricted;
    const own = [`hearth.service=${service.name}`, ...labels(claim)];
    const args = serviceArgs(service, image, { network, labels: own, holder: isHeld ? parts.supervisor : null });
    try {
      const id = await engine.run(args);
      if (isHeld)
        await startHeld(engine, id, (process, resolvConf) =>
          parts.egress.restrict(process, { resolvConf, networks: [subnet] }),
        );
      return id;
    } catch (cause) {
      throw new Ended(error('config', `services.${service.name} could not be started: ${messageOf(cause)}`));
    }
  }

  async function removeAll(filters: readonly string[]): Promise<void> {
    const filter = [`label=${label}`, ...filters].flatMap((one) => ['--filter', one]);
    await engine.remove(lines(await engine.command(['ps', '--all', '--quiet', '--no-trunc', ...filter])));
    for (const network of lines(await engine.command(['network', 'ls', '--quiet', '--no-trunc', ...filter])))
      await removeNetwork(network);
  }

  /** A slot that is still in it would keep it. */
  async function removeNetwork(id: string): Promise<void> {
    const inspected = await unlessGone(engine.command(['network', 'inspect', id]));
    if (inspected === undefined) return;
    const [found] = JSON.parse(inspected) as { readonly Containers?: Readonly<Record<string, unknown>> | null }[];
    for (const container of Object.keys(found?.Containers ?? {}))
      await unlessGone(engine.command(['network', 'disconnect', '--force', id, container]));
    await unlessGone(engine.command(['network', 'rm', id]));
  }

  async function lastLinesOf(
    masker: Masker,
    of: readonly Pick<ServiceState, 'id' | 'name' | 'says'>[],
  ): Promise<string> {
    const said = await Promise.all(
      of.map(async ({ id, name, says }) => {
        const raw = Buffer.from(await engine.logs(id, LAST_LINES));
        const text = Buffer.concat([masker.push(raw), masker.flush()])
          .subarray(-LAST_BYTES)
          .toString('utf8');
        const all = lines(text).map((line) => `  ${name} | ${line}\n`);
        return `\nhearth: services.${name} ${says}${all.length === 0 ? ' and has said nothing' : '; its last lines:'}\n${all.join('')}`;
      }),
    );
    return said.join('');
  }

  function labels(claim: Claim): readonly string[] {
    return [label, `hearth.attempt=${keyOf(claim)}`];
  }

  /** Attempts that ended while something of them was being made: it goes when it is made. */
  const late = new Set<string>();
  const removals = new Map<string, Promise<void>>();

  /** One after the other: of two at once, either takes for gone what the other one is still removing. */
  async function removeNext(key: string): Promise<void> {
    const before = removals.get(key) ?? Promise.resolve();
    const next = Promise.allSettled([before]).then(() => removeAll([`label=hearth.attempt=${key}`]));
    removals.set(key, next);
    try {
      await next;
    } finally {
      if (removals.get(key) === next) removals.delete(key);
    }
  }

  async function remove(claim: Claim): Promise<void> {
    const isLate = late.has(keyOf(claim));
    try {
      await removeNext(keyOf(claim));
    } catch (cause) {
      // Something may just be joining the network; then it goes with what is late.
      if (!isLate) throw cause;
    }
  }

  return {
    begin(claim, signals, say) {
      if ((claim.job.spec.services ?? []).length === 0)
        return { ready: Promise.resolve(null), abandon: () => Promise.resolve() };
      const abandoned = new AbortController();
      let isOver = false;
      const stop = AbortSignal.any([signals.stop, signals.detach, abandoned.signal]);
      const ready = start(claim, stop, say).finally(() => {
        isOver = true;
      });
      ready.catch(() => undefined); // whoever waits for it hears of it
      return {
        ready,
        async abandon() {
          abandoned.abort(new Error('the job does not need its services any more'));
          if (!isOver) {
            const key = keyOf(claim);
            late.add(key);
            void Promise.allSettled([ready])
              .then(() => removeNext(key))
              .catch(parts.onError)
              .finally(() => late.delete(key));
          }
          await remove(claim).catch(parts.onError);
        },
      };
    },
    async join({ network, subnet }, slot) {
      await engine.command(['network', 'connect', network, slot.record.containerId]);
      await parts.egress.restrict(slot.record.process, { networks: [subnet] });
    },
    async lastLines(claim, masker) {
      if ((claim.job.spec.services ?? []).length === 0) return '';
      try {
        const filter = ['--filter', `label=${label}`, '--filter', `label=hearth.attempt=${keyOf(claim)}`];
        const format = ['--format', '{{.ID}}\t{{.Label "hearth.service"}}\t{{.Status}}'];
        const found = lines(await engine.command(['ps', '--all', '--no-trunc', ...filter, ...format])).map((line) => {
          const [id = '', name = '', status = ''] = line.split('\t');
          return { id, name, says: `is ${status.startsWith('Up') ? 'running' : status.toLowerCase()}` };
        });
        return await lastLinesOf(
          masker,
          found.toSorted((a, b) => a.name.localeCompare(b.name)),
        );
      } catch (cause) {
        parts.onError(cause);
        return '';
      }
    },
    remove,
    async sweep(keep) {
      const format = ['--filter', `label=${label}`, '--format', '{{.Label "hearth.attempt"}}'];
      const [containers, networks] = await Promise.all([
        engine.command(['ps', '--all', ...format]),
        engine.command(['network', 'ls', ...format]),
      ]);
      for (const key of new Set([...lines(containers), ...lines(networks)]))
        if (!keep.has(key)) await removeAll([`label=hearth.attempt=${key}`]);
    },
  };
}

/** Nothing in it comes from a secret, so what is wrong may be said as it is. */
function fillIn(claim: Claim): readonly ReadyService[] {
  try {
    return readyServices(claim);
  } catch (cause) {
    if (cause instanceof ExpressionFailure) throw new Ended(error('config', cause.message));
    throw cause;
  }
}

/** undefined when somebody else removed the same at the same time. */
async function unlessGone(command: Promise<string>): Promise<string | undefined> {
  try {
    return await command;
  } catch (cause) {
    if (/No such|not found|is not connected/i.test(messageOf(cause))) return undefined;
    throw cause;
  }
}

/** As in the label. */
function keyOf({ job: { id, attempt } }: { readonly job: Pick<Claim['job'], 'id' | 'attempt'> }): string {
  return `${id}.${attempt}`;
}

function lines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line.trim() !== '');
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
