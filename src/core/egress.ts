/** Where jobs and services may not connect to, as packet filter rules for the network of one container. */

export type Family = 4 | 6;

/** What the operator opens: addresses, and one port or all. */
export interface EgressTarget {
  readonly family: Family;
  /** Masked, as the packet filter prints it: `10.0.0.0/8`. */
  readonly cidr: string;
  /** null = all. */
  readonly port: number | null;
}

/** A network of a job with services. */
export interface Subnet {
  readonly cidr: string;
  /** The host's own address in it. */
  readonly gateway: string;
}

export interface EgressPlan {
  readonly allow: readonly EgressTarget[];
  /** Addresses that answer questions about names; only their port 53 is open. */
  readonly resolvers: readonly string[];
  /** All addresses of this machine. */
  readonly host: readonly string[];
  /** Networks whose containers may be reached. */
  readonly networks: readonly Subnet[];
}

/** Private, shared and link-local addresses, cloud metadata, protocol assignments, benchmarks, and more than one receiver. */
const closed: Readonly<Record<Family, readonly string[]>> = {
  4: [
    '10.0.0.0/8',
    '100.64.0.0/10',
    '168.63.129.16/32',
    '169.254.0.0/16',
    '172.16.0.0/12',
    '192.0.0.0/24',
    '192.168.0.0/16',
    '198.18.0.0/15',
    '224.0.0.0/3',
  ],
  6: ['fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8'],
};

/** Without these no IPv6 address finds its neighbour. */
const NEIGHBOUR_DISCOVERY = [133, 135, 136];

/**
 * Rules of chain OUTPUT in order, as `iptables -S` prints them, so that what is in force can be compared word by word.
 * The first that fits decides; what fits none may leave. They keep no state.
 */
export function egressRules(plan: EgressPlan, family: Family): readonly string[] {
  const accept = ({ cidr, port }: Pick<EgressTarget, 'cidr' | 'port'>): readonly string[] =>
    port === null
      ? [rule(cidr, '-j ACCEPT')]
      : ['tcp', 'udp'].map((protocol) => rule(cidr, `-p ${protocol} -m ${protocol} --dport ${port} -j ACCEPT`));
  // An answer at once, so that nothing hangs.
  const refuse = (cidr: string): readonly string[] => [
    rule(cidr, '-p tcp -j REJECT --reject-with tcp-reset'),
    rule(cidr, `-j REJECT --reject-with ${family === 4 ? 'icmp-admin-prohibited' : 'icmp6-adm-prohibited'}`),
  ];
  const ours = (addresses: readonly string[]): readonly string[] =>
    addresses.flatMap((address) => {
      const target = parseEgressTarget(address);
      return target?.family === family ? [target.cidr] : [];
    });
  return [
    rule(null, '-o lo -j ACCEPT'),
    ...(family === 6
      ? NEIGHBOUR_DISCOVERY.map((type) => rule(null, `-p ipv6-icmp -m icmp6 --icmpv6-type ${type} -j ACCEPT`))
      : []),
    ...ours(plan.resolvers).flatMap((cidr) => accept({ cidr, port: 53 })),
    ...plan.allow.filter((target) => target.family === family).flatMap(accept),
    ...plan.networks.flatMap(({ cidr, gateway }) => [
      ...ours([gateway]).flatMap(refuse),
      ...ours([cidr]).flatMap((subnet) => accept({ cidr: subnet, port: null })),
    ]),
    ...[...new Set([...ours(plan.host), ...closed[family]])].flatMap(refuse),
  ];
}

function rule(cidr: string | null, rest: string): string {
  // A mask of zero bits is everything, and not printed.
  return `-A OUTPUT ${cidr === null || cidr.endsWith('/0') ? '' : `-d ${cidr} `}${rest}`;
}

/** `10.1.2.3`, `10.0.0.0/8:443`, `fd00::1`, `[fd00::/8]:443`; undefined for anything else, also for names. */
export function parseEgressTarget(text: string): EgressTarget | undefined {
  const groups =
    /^(?<v4>[\d.]+)(?:\/(?<bits4>\d{1,2}))?(?::(?<port4>\d{1,5}))?$/.exec(text)?.groups ??
    /^(?<v6>[\da-f:.]+)(?:\/(?<bits6>\d{1,3}))?$/i.exec(text)?.groups ??
    /^\[(?<v6>[\da-f:.]+)(?:\/(?<bits6>\d{1,3}))?\](?::(?<port6>\d{1,5}))?$/i.exec(text)?.groups;
  if (groups === undefined) return undefined;
  const { v4, v6 = '', bits4, bits6, port4, port6 } = groups;
  const family = v4 === undefined ? 6 : 4;
  const length = family === 4 ? 32 : 128;
  const value = v4 === undefined ? parseV6(v6) : parseV4(v4);
  const bits = Number(bits4 ?? bits6 ?? length);
  const given = port4 ?? port6;
  const port = given === undefined ? null : Number(given);
  if (value === undefined || bits > length || (port !== null && (port < 1 || port > 65_535))) return undefined;
  const masked = (value >> BigInt(length - bits)) << BigInt(length - bits);
  return { family, cidr: `${family === 4 ? formatV4(masked) : formatV6(masked)}/${bits}`, port };
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return parts.reduce((value, part) => value * 256n + BigInt(part), 0n);
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array<string>(missing).fill('0'), ...tail];
  if (!groups.every((group) => /^[\da-f]{1,4}$/i.test(group))) return undefined;
  return groups.reduce((value, group) => value * 65_536n + BigInt(`0x${group}`), 0n);
}

function formatV4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.');
}

/** As RFC 5952 and the packet filter: the first of the longest runs of zero groups is left out. */
function formatV6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => (value >> BigInt(112 - index * 16)) & 65_535n);
  let longest = { start: 0, length: 1 };
  for (let start = 0; start < groups.length; start++) {
    const end = groups.findIndex((group, index) => index >= start && group !== 0n);
    const length = (end === -1 ? groups.length : end) - start;
    if (length > longest.length) longest = { start, length };
  }
  const text = (part: readonly bigint[]): string => part.map((group) => group.toString(16)).join(':');
  if (longest.length === 1) return text(groups);
  return `${text(groups.slice(0, longest.start))}::${text(groups.slice(longest.start + longest.length))}`;
}
