/** Keeps an agent connected: tries again with growing pauses, and counts what went wrong. */
import { Refused, type HubConnection } from './connection.ts';
import { pause } from '../pause.ts';

export interface LinkOptions {
  connect(): Promise<HubConnection>;
  /** From 0 to below 1. */
  random(): number;
  onConnected(connection: HubConnection): void;
  onTrouble(message: string): void;
}

export interface Link {
  /** The connection that is open, or the next one. Rejects when the link was stopped. */
  ready(): Promise<HubConnection>;
  /** Connections that failed or ended unasked. Not: a hub that was not up yet when the agent started. */
  readonly errors: number;
  readonly isConnected: boolean;
  stop(): void;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;

/** Before the try after so many failures in a row: doubling, and anywhere up to it, so that agents do not come in step. */
export function pauseMs(failures: number, random: number): number {
  const most = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 16));
  return most / 2 + (most / 2) * random;
}

export function startLink({ connect, random, onConnected, onTrouble }: LinkOptions): Link {
  const stopping = new AbortController();
  let current: HubConnection | undefined;
  let waiters: { readonly resolve: (connection: HubConnection) => void; readonly reject: (error: Error) => void }[] =
    [];
  let errors = 0;
  let wasEverConnected = false;
  const isStopped = (): boolean => stopping.signal.aborted;

  async function run(): Promise<void> {
    for (let failures = 0; !isStopped();) {
      try {
        current = await connect();
        if (isStopped()) {
          await current.close();
          return;
        }
        failures = 0;
        wasEverConnected = true;
        onConnected(current);
        for (const waiter of waiters.splice(0)) waiter.resolve(current);
        const { code, reason } = await current.closed;
        if (isStopped()) return;
        errors += 1;
        onTrouble(`the connection ended: ${code} ${reason}`);
      } catch (error) {
        if (wasEverConnected || error instanceof Refused) errors += 1;
        onTrouble(error instanceof Error ? error.message : String(error));
      }
      current = undefined;
      failures += 1;
      await pause(pauseMs(failures, random()), stopping.signal);
    }
  }

  // Not before the caller has the link in hand.
  void Promise.resolve().then(run);
  return {
    ready() {
      if (current?.isOpen === true) return Promise.resolve(current);
      if (isStopped()) return Promise.reject(new Error('The link was stopped.'));
      return new Promise((resolve, reject) => waiters.push({ resolve, reject }));
    },
    get errors() {
      return errors;
    },
    get isConnected() {
      return current?.isOpen === true;
    },
    stop() {
      stopping.abort();
      for (const waiter of waiters) waiter.reject(new Error('The link was stopped.'));
      waiters = [];
    },
  };
}
