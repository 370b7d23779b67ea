import { expect, it } from 'vitest';
import { hasCgroups } from '../../provision/setup/cgroups.ts';
import { extraCertificates } from '../../provision/setup/host-network.ts';

function certificate(body: string): string {
  return `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----`;
}

it("only the host's own certificates go into the image, once each", () => {
  const [common, own, other] = [certificate('AAAA'), certificate('BBBB'), certificate('CCCC')];
  const host = [common, own, own, other].join('\n# comment\n');
  expect(extraCertificates(host, `${common}\n`)).toEqual([own, other]);
});

it('a host without a certificate bundle adds none', () => {
  expect(extraCertificates('', certificate('AAAA'))).toEqual([]);
});

it('cgroups of either version count as mounted, and nothing else does', () => {
  expect(hasCgroups('cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n')).toBe(true);
  expect(hasCgroups('tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n')).toBe(true);
  expect(hasCgroups('tmpfs /sys/fs/cgroup tmpfs rw 0 0\n')).toBe(false);
});
