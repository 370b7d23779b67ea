/** One agent's socket: sends within a limit, notices a dead peer, closes with a reason. */
import { performance } from 'node:perf_hooks';
import { WebSocket } from 'ws';
import { CLOSE, type Reply } from '../protocol/messages.ts';

export interface SocketLimits {
  /** Bytes that may wait for a peer that does not read. Above, it is cut off. */
  readonly maxWaitingBytes: number;
  /** Between pings; a peer that is silent for two of them is dead. In ms. */
  readonly heartbeatMs: number;
  /** From our close frame to the end of the connection, in ms. */
  readonly closeMs: number;
}

export interface AgentSocket {
  send(reply: Reply): void;
  /** The same for a text that is one. */
  sendText(text: string): void;
  /** Says why and ends the connection, also one whose peer does not answer. Harmless when repeated. */
  close(code: number, reason: string): void;
  /** Anything arrived, so the peer lives. */
  heard(): void;
  readonly isOpen: boolean;
}

export interface SocketEvents {
  /** The peer did not read, or was silent: it is gone without having said so. */
  onCut(why: 'too slow' | 'silent'): void;
}

/** Takes over pings and the end of a socket until that is closed. */
export function wrapSocket(socket: WebSocket, limits: SocketLimits, { onCut }: SocketEvents): AgentSocket {
  let heardAt = performance.now();
  let closing: NodeJS.Timeout | undefined;
  const heard = (): void => {
    heardAt = performance.now();
  };
  socket.on('pong', heard);
  socket.on('ping', heard);
  const heartbeat = setInterval(() => {
    // A peer that we do not read from is not silent.
    if (socket.isPaused) heard();
    if (performance.now() - heardAt > 2 * limits.heartbeatMs) cut('silent');
    else if (socket.readyState === WebSocket.OPEN) socket.ping();
  }, limits.heartbeatMs);
  socket.on('close', () => {
    clearInterval(heartbeat);
    clearTimeout(closing);
  });

  function cut(why: 'too slow' | 'silent'): void {
    onCut(why);
    // A close frame would wait behind everything that the peer did not read.
    socket.terminate();
  }

  function sendText(text: string): void {
    if (socket.readyState !== WebSocket.OPEN) return;
    socket.send(text, { binary: false }, ignoreLateFailure);
    if (socket.bufferedAmount > limits.maxWaitingBytes) cut('too slow');
  }

  return {
    send: (reply) => sendText(JSON.stringify(reply)),
    sendText,
    close(code, reason) {
      socket.close(code, reason);
      closing ??= setTimeout(() => socket.terminate(), limits.closeMs);
    },
    heard,
    get isOpen() {
      return socket.readyState === WebSocket.OPEN;
    },
  };
}

/** A failed send is a connection that ends, and its end is reported by itself. */
function ignoreLateFailure(): void {
  return;
}

export const CUT_CODES = { 'too slow': CLOSE.tooSlow, silent: 1006 } as const;
