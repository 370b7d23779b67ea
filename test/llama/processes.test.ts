import { describe, expect, it } from 'vitest';
import { listeningSockets } from '../../ci/llama/processes.ts';

describe('the listeners at a port', () => {
  it('are read from rows that listen at the local port, and from no other', () => {
    const table = [
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
      '   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1',
      '   1: 0100007F:9999 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 222 1',
      '   2: 0100007F:1F90 0100007F:9999 06 00000000:00000000 00:00000000 00000000     0        0 333 1',
      '   3: 0100007F:01F9 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 444 1',
    ].join('\n');
    expect(listeningSockets(table, 8080)).toEqual(['111']);
  });
});
