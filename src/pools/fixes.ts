/** Does what reconcile() and scale() decided about runners that are there, and writes it down. */
import PQueue from 'p-queue';
import type { RunnerContainers, RunnerForge } from '../core/pool/pool-ports.ts';
import type { PoolStore } from '../core/pool/pool-store.ts';
import type { Scope } from '../core/pool/pool.ts';
import type { Fix } from '../core/pool/reconcile.ts';
import { endRules, type EndRule } from '../core/pool/rules.ts';
import type { Runner, RunnerChange } from '../core/pool/runner.ts';
import type { Clock } from '../core/ports.ts';
import { unreachable } from '../core/result.ts';
import type { PoolEvents } from './events.ts';
import type { Starter } from './starter.ts';

export interface FixingParts {
  readonly store: Pick<PoolStore, 'changeRunner' | 'countRule'>;
  readonly forge: Pick<RunnerForge, 'deregister'>;
  readonly containers: Pick<RunnerContainers, 'remove' | 'lastLines'>;
  readonly clock: Clock;
  readonly events: PoolEvents;
  readonly starter: Pick<Starter, 'wentWell' | 'wentWrong'>;
  /** Ends what is asked of GitHub. */
  readonly stop: AbortSignal;
  /** Something was written down. */
  readonly onChange: () => void;
}

export interface Fixing {
  /** What takes its time goes on in the background, each once at a time. Rejects when the store does. */
  carryOut(fix: Fix): Promise<void>;
  leave(runner: Runner, rule: EndRule): Promise<void>;
  /** By name: when the end of a runner was seen. A list from before may still show it. */
  readonly endedAt: ReadonlyMap<string, Date>;
  settled(): Promise<void>;
}

const ACTIONS_AT_ONCE = 4;
/** Longer than any list is used. */
const REMEMBER_MS = 10 * 60_000;

export function createFixing(parts: FixingParts): Fixing {
  const { store, forge, containers, clock, events, starter } = parts;
  const actions = new PQueue({ concurrency: ACTIONS_AT_ONCE });
  const acting = new Set<string>();
  const endedAt = new Map<string, Date>();

  async function carryOut(fix: Fix): Promise<void> {
    switch (fix.do) {
      case 'change':
        if (fix.change.onlineAt !== undefined) starter.wentWell(fix.runner.pool);
        await change(fix.runner, fix.change);
        return;
      case 'leave':
        await leave(fix.runner, fix.rule);
        return;
      case 'end':
        await end(fix.runner);
        return;
      case 'deregister':
        act(`deregister ${fix.githubId}`, () => deregister(fix.runner, fix.githubId));
        return;
      case 'remove-container':
        act(`remove ${fix.container}`, () => containers.remove(fix.container));
        return;
      case 'deregister-orphan':
        act(`deregister ${fix.githubId}`, () => deregisterOrphan(fix));
        return;
      case 'remove-orphan':
        act(`remove ${fix.container}`, async () => {
          await containers.remove(fix.container);
          await store.countRule(poolIn(fix.name), 'orphan-container', clock.now());
        });
        return;
      default:
        unreachable(fix);
    }
  }

  async function end(runner: Runner): Promise<void> {
    const now = clock.now();
    for (const [name, at] of endedAt) if (now.getTime() - at.getTime() > REMEMBER_MS) endedAt.delete(name);
    endedAt.set(runner.name, now);
    if (await change(runner, { state: 'gone', goneAt: now })) events.runner(runner, 'is gone');
  }

  /** In the background, each once at a time: a slow answer must hold nothing up. */
  function act(key: string, work: () => Promise<void>): void {
    if (acting.has(key)) return;
    acting.add(key);
    void actions.add(async () => {
      try {
        await work();
        parts.onChange();
      } catch (cause) {
        events.trouble(key, cause instanceof Error ? cause.message : String(cause));
      } finally {
        acting.delete(key);
      }
    });
  }

  async function deregister(runner: Runner, githubId: number): Promise<void> {
    const answer = await forge.deregister(runner.scope, githubId, parts.stop);
    if (!answer.ok) {
      events.trouble(`runner ${runner.name}`, answer.problem.message);
      return;
    }
    if (answer.value === 'gone') await change(runner, { isReleased: true, githubId });
    // It got a job in the very moment: that goes on, and the runner leaves after it.
    else await change(runner, { state: 'busy', busyAt: clock.now() });
  }

  async function deregisterOrphan({ scope, githubId, name }: Fix & { do: 'deregister-orphan' }): Promise<void> {
    const answer = await forge.deregister(scopeOfKey(scope), githubId, parts.stop);
    if (!answer.ok) events.trouble(`runner ${name}`, answer.problem.message);
    else if (answer.value === 'gone') {
      endedAt.set(name, clock.now());
      await store.countRule(poolIn(name), 'orphan-registration', clock.now());
    }
  }

  async function leave(runner: Runner, rule: EndRule): Promise<void> {
    if (rule === 'never-online' || rule === 'died-at-start') {
      starter.wentWrong(runner.pool);
      const said = runner.container === null ? '' : await lastLines(runner.container);
      events.runner(runner, `${rule}${said === '' ? '' : `; its last lines: ${said}`}`);
    }
    if (await change(runner, { state: 'leaving', reason: rule })) events.runner(runner, `leaves: ${endRules[rule]}`);
  }

  async function lastLines(container: string): Promise<string> {
    return containers.lastLines(container).catch((cause: unknown) => String(cause));
  }

  async function change(runner: Runner, what: RunnerChange): Promise<boolean> {
    const done = await store.changeRunner(runner.id, runner.state, what, clock.now());
    if (done) parts.onChange();
    return done;
  }

  return { carryOut, leave, endedAt, settled: () => actions.onIdle() };
}

function scopeOfKey(key: string): Scope {
  const [kind, name = ''] = key.split(' ');
  return kind === 'repo' ? { repo: name } : { organisation: name };
}

/** `hearth-POOL-HEX`; see runnerName. */
function poolIn(name: string): string {
  return /^hearth-(.+)-[0-9a-f]+$/.exec(name)?.[1] ?? name;
}
