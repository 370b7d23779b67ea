import { describe, expect, it } from 'vitest';
import { egressRules, parseEgressTarget, type EgressPlan } from '../../src/core/egress.ts';

const plan: EgressPlan = {
  allow: [{ family: 4, cidr: '10.0.0.5/32', port: 443 }],
  resolvers: ['10.255.255.53', 'fd00::53'],
  host: ['192.0.2.2', 'fd00::2', 'fe80::1'],
  networks: [{ cidr: '172.18.0.0/16', gateway: '172.18.0.1' }],
};

/** What the first rule that fits an address says, for TCP on that port. */
function verdict(rules: readonly string[], address: bigint, port: number): string {
  for (const rule of rules) {
    const [, cidr] = /-d (\S+)/.exec(rule) ?? [];
    const [, dport] = /--dport (\d+)/.exec(rule) ?? [];
    if (/-p (?:udp|ipv6-icmp)|-o lo/.test(rule) || (dport !== undefined && Number(dport) !== port)) continue;
    if (cidr !== undefined && !holds(cidr, address)) continue;
    return rule.replace(/.* -j (\w+).*/, '$1');
  }
  return 'ACCEPT';
}

function holds(cidr: string, address: bigint): boolean {
  const [network = '', bits = ''] = cidr.split('/');
  return address >> BigInt(32 - Number(bits)) === numberOf(network) >> BigInt(32 - Number(bits));
}

function numberOf(address: string): bigint {
  return address.split('.').reduce((value, part) => value * 256n + BigInt(part), 0n);
}

describe('where a container may connect to', () => {
  it.each([
    ['1.1.1.1', 443, 'ACCEPT'],
    ['203.0.113.80', 443, 'ACCEPT'],
    ['169.254.169.254', 80, 'REJECT'],
    ['169.254.0.1', 80, 'REJECT'],
    ['100.100.100.200', 80, 'REJECT'],
    ['168.63.129.16', 80, 'REJECT'],
    ['192.0.0.192', 80, 'REJECT'],
    ['10.0.0.1', 80, 'REJECT'],
    ['10.0.0.5', 80, 'REJECT'],
    ['10.0.0.5', 443, 'ACCEPT'],
    ['10.255.255.53', 53, 'ACCEPT'],
    ['10.255.255.53', 80, 'REJECT'],
    ['172.17.0.3', 80, 'REJECT'],
    ['172.18.0.1', 80, 'REJECT'],
    ['172.18.0.2', 5432, 'ACCEPT'],
    ['192.168.1.1', 80, 'REJECT'],
    ['192.0.2.2', 80, 'REJECT'],
    ['192.0.2.3', 80, 'ACCEPT'],
    ['239.1.1.1', 80, 'REJECT'],
    ['255.255.255.255', 80, 'REJECT'],
    ['11.0.0.0', 80, 'ACCEPT'],
    ['172.32.0.0', 80, 'ACCEPT'],
  ])('%s port %i: %s', (address, port, expected) => {
    expect(verdict(egressRules(plan, 4), numberOf(address), port)).toBe(expected);
  });

  it('answers a refused packet, whatever its protocol', () => {
    expect(egressRules(plan, 4)).toContain('-A OUTPUT -d 169.254.0.0/16 -p tcp -j REJECT --reject-with tcp-reset');
    expect(egressRules(plan, 4)).toContain('-A OUTPUT -d 169.254.0.0/16 -j REJECT --reject-with icmp-admin-prohibited');
  });

  it('finds IPv6 neighbours and no private address among them', () => {
    const rules = egressRules(plan, 6);
    expect(rules.slice(0, 6)).toEqual([
      '-A OUTPUT -o lo -j ACCEPT',
      '-A OUTPUT -p ipv6-icmp -m icmp6 --icmpv6-type 133 -j ACCEPT',
      '-A OUTPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT',
      '-A OUTPUT -p ipv6-icmp -m icmp6 --icmpv6-type 136 -j ACCEPT',
      '-A OUTPUT -d fd00::53/128 -p tcp -m tcp --dport 53 -j ACCEPT',
      '-A OUTPUT -d fd00::53/128 -p udp -m udp --dport 53 -j ACCEPT',
    ]);
    for (const cidr of ['fd00::2/128', 'fe80::1/128', 'fc00::/7', 'fe80::/10', 'ff00::/8'])
      expect(rules).toContain(`-A OUTPUT -d ${cidr} -p tcp -j REJECT --reject-with tcp-reset`);
    expect(rules.join('\n')).not.toContain('10.0.0.5');
  });

  it('opens everything on a port without a mask, which the filter does not print', () => {
    const open = egressRules({ ...plan, allow: [{ family: 4, cidr: '0.0.0.0/0', port: 443 }] }, 4);
    expect(open).toContain('-A OUTPUT -p tcp -m tcp --dport 443 -j ACCEPT');
  });
});

describe('what the operator opens', () => {
  it.each([
    ['10.1.2.3', { family: 4, cidr: '10.1.2.3/32', port: null }],
    ['10.1.2.3/8', { family: 4, cidr: '10.0.0.0/8', port: null }],
    ['10.1.2.3:443', { family: 4, cidr: '10.1.2.3/32', port: 443 }],
    ['0.0.0.0/0', { family: 4, cidr: '0.0.0.0/0', port: null }],
    ['fd00::1', { family: 6, cidr: 'fd00::1/128', port: null }],
    ['FD00:0:0:1::5/64', { family: 6, cidr: 'fd00:0:0:1::/64', port: null }],
    ['[fd00:1::5/16]:80', { family: 6, cidr: 'fd00::/16', port: 80 }],
    ['[::1]', { family: 6, cidr: '::1/128', port: null }],
    ['1:0:0:2:0:0:0:3', { family: 6, cidr: '1:0:0:2::3/128', port: null }],
    ['1:2:3:4:5:6:7:8', { family: 6, cidr: '1:2:3:4:5:6:7:8/128', port: null }],
  ])('%s is read', (text, expected) => {
    expect(parseEgressTarget(text)).toEqual(expected);
  });

  it.each([
    '',
    'registry.example.com',
    '10.1.2',
    '10.1.2.256',
    '010.0.0.1',
    '10.0.0.0/33',
    '10.0.0.1:0',
    '10.0.0.1:70000',
    'fd00::1::2',
    '1:2:3:4:5:6:7',
    '[fd00::1',
    '::ffff:10.0.0.1',
    'fd00::/129',
    '-d 1.1.1.1',
  ])('%j is refused', (text) => {
    expect(parseEgressTarget(text)).toBeUndefined();
  });
});
