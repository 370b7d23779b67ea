// The lanes tests run in. A test belongs to the lane its folder under test/ is named after, to `thorough` when its name
// says so (`x.thorough.test.ts`: kills, outages and thousands of cases, without Docker), and to `unit` otherwise.

export type Lane = {
  readonly name: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Needs a Docker engine with the base image; set-up brings both. Such files run one after the other. */
  readonly docker: boolean;
  /** Needs containers of the platform that this machine is not, too. */
  readonly otherPlatform: boolean;
};

const SLOW_LANES: readonly Lane[] = [
  { name: 'thorough', include: ['test/**/*.thorough.test.ts'], exclude: [], docker: false, otherPlatform: false },
  slowLane({ name: 'docker', folders: ['docker', 'e2e'], docker: true }),
  slowLane({ name: 'projects', docker: true }),
  slowLane({ name: 'faults', docker: true }),
  slowLane({ name: 'arm64', docker: true, otherPlatform: true }),
  slowLane({ name: 'systemd', docker: true }),
  slowLane({ name: 'pg', docker: true }),
  slowLane({ name: 'soak', docker: true }),
  slowLane({ name: 'sim', docker: false }),
];

export const LANES: readonly Lane[] = [
  {
    name: 'unit',
    include: ['test/**/*.test.ts'],
    exclude: SLOW_LANES.flatMap((lane) => lane.include),
    docker: false,
    otherPlatform: false,
  },
  ...SLOW_LANES,
];

/** What plain `npm test` runs, in this order. */
export const EVERYDAY_LANES = ['unit', 'thorough', 'docker'] as const;

function slowLane(lane: { name: string; folders?: readonly string[]; docker: boolean; otherPlatform?: boolean }): Lane {
  const folders = lane.folders ?? [lane.name];
  return {
    name: lane.name,
    include: folders.map((folder) => `test/${folder}/**/*.test.ts`),
    exclude: [],
    docker: lane.docker,
    otherPlatform: lane.otherPlatform ?? false,
  };
}
