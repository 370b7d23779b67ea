/** Actions that many workflows use, and what stands in their place here. */
import type { YAMLMap } from 'yaml';
import { safeName, textIn } from './parts.ts';

interface Volume {
  readonly name: string;
  readonly path: string;
}

/** A tool that the image brings. */
export interface Tool {
  readonly name: string;
  /** As the workflow gives it, expressions included; undefined when it stands elsewhere or nowhere. */
  readonly version: string | undefined;
  /** The image to fall back to. */
  readonly usualImage: string;
  /** The image for a version that is no expression; undefined when none is known. */
  readonly imageOf: (version: string) => string | undefined;
  /** The image for a tag, which may hold expressions. */
  readonly image: (tag: string) => string;
  /** The tag that stands for a version in the name of an image, or undefined when there is none. */
  readonly tag: (version: string) => string | undefined;
  /** Package manager whose downloads the action keeps. */
  readonly cache: string | undefined;
  readonly lockfile: string | undefined;
  readonly volumes: readonly Volume[];
  /** What the action adds to the tool and the image does not have. */
  readonly command: string | undefined;
  /** Inputs that ask for something the image does not have, as they are written. */
  readonly unmet: readonly string[];
}

type Inputs = YAMLMap | undefined;

interface Setup {
  readonly name: string;
  readonly input: string;
  /** The tag to fall back to. */
  readonly usual: string;
  readonly image: (tag: string) => string;
  /** Versions that are no plain numbers. */
  readonly words?: Readonly<Record<string, string>>;
  readonly tag?: (version: string) => string | undefined;
  /** Versions that have an image of another name. */
  readonly other?: (version: string) => string | undefined;
  readonly volumes?: readonly Volume[];
  /** Without a version the usual one is what the action takes, too. */
  readonly hasDefault?: true;
  /** Further inputs that matter, with the values that the image meets. */
  readonly asks?: Readonly<Record<string, RegExp>>;
}

const NEVER = /^$/;

const goVolumes = [
  { name: 'go-modules', path: '/go/pkg/mod' },
  { name: 'go-build', path: '/root/.cache/go-build' },
];

/** `20.x` is the newest 20. */
function numbered(version: string): string | undefined {
  const plain = version.replace(/^v(?=\d)/, '').replace(/(?:\.[xX*])+$/, '');
  return /^\d+(?:\.\d+){0,3}$/.test(plain) ? plain : undefined;
}

const rust: Setup = {
  ...{ name: 'Rust', input: 'toolchain', usual: '1', hasDefault: true, words: { stable: '1' } },
  image: (tag) => `rust:${tag}-bookworm`,
  other: (version) => (version.startsWith('nightly') ? 'rustlang/rust:nightly-bookworm' : undefined),
};

const setups: Readonly<Record<string, Setup>> = {
  'actions/setup-node': {
    ...{ name: 'Node', input: 'node-version', usual: 'lts' },
    words: { 'lts/*': 'lts', lts: 'lts', latest: 'current', current: 'current', node: 'current' },
    image: (tag) => `node:${tag}-bookworm`,
    asks: { 'registry-url': NEVER, scope: NEVER },
    tag: (version) => /^lts\/([a-z]+)$/i.exec(version)?.[1]?.toLowerCase() ?? numbered(version),
  },
  'actions/setup-python': {
    ...{ name: 'Python', input: 'python-version', usual: '3' },
    image: (tag) => `python:${tag}-bookworm`,
    other: (version) => version.replace(/^pypy-?(\d+\.\d+)$/, 'pypy:$1-bookworm').match(/^pypy:.*/)?.[0],
  },
  'actions/setup-go': {
    ...{ name: 'Go', input: 'go-version', usual: '1', volumes: goVolumes, words: { stable: '1' } },
    image: (tag) => `golang:${tag}-bookworm`,
  },
  'actions/setup-java': {
    ...{ name: 'Java', input: 'java-version', usual: '21' },
    image: (tag) => `eclipse-temurin:${tag}-jdk`,
    asks: { distribution: /^(?:temurin|adopt|adopt-hotspot)$/, 'java-package': /^jdk$/ },
    // A full version has a build number in its tag.
    tag: (version) => /^\d+$/.exec(version)?.[0],
  },
  'actions/setup-dotnet': {
    ...{ name: '.NET', input: 'dotnet-version', usual: '8.0' },
    image: (tag) => `mcr.microsoft.com/dotnet/sdk:${tag}`,
    tag: (version) => numbered(version)?.replace(/^\d+$/, '$&.0'),
  },
  'ruby/setup-ruby': {
    ...{ name: 'Ruby', input: 'ruby-version', usual: '3' },
    image: (tag) => `ruby:${tag}-bookworm`,
    tag: (version) => numbered(version.replace(/^ruby-/, '')),
  },
  'shivammathur/setup-php': {
    ...{ name: 'PHP', input: 'php-version', usual: '8', words: { latest: '8' } },
    image: (tag) => `php:${tag}-cli-bookworm`,
    asks: { extensions: NEVER, 'ini-values': NEVER, tools: NEVER, coverage: /^none$/ },
  },
  'denoland/setup-deno': {
    ...{ name: 'Deno', input: 'deno-version', usual: 'debian' },
    image: (tag) => `denoland/deno:${tag === 'debian' ? tag : `debian-${tag}`}`,
    // There are tags for full versions only.
    tag: (version) => /^v?(\d+\.\d+\.\d+)$/.exec(version)?.[1],
  },
  'oven-sh/setup-bun': {
    ...{ name: 'Bun', input: 'bun-version', usual: 'latest', hasDefault: true },
    words: { latest: 'latest', canary: 'canary' },
    image: (tag) => `oven/bun:${tag}`,
  },
  'actions-rs/toolchain': rust,
  'actions-rust-lang/setup-rust-toolchain': rust,
  'dtolnay/rust-toolchain': rust,
};

function rustCommand(inputs: Inputs): string | undefined {
  const commands = (['component', 'target'] as const).flatMap((what) => {
    const names = ['', 's']
      .map((end) => (inputs === undefined ? undefined : textIn(inputs, `${what}${end}`)))
      .flatMap((text) => (text?.includes('${{') === true ? [text.trim()] : (text?.match(/[\w-]+/g) ?? [])));
    return names.length === 0 ? [] : [`rustup ${what} add ${names.join(' ')}`];
  });
  return commands.length === 0 ? undefined : commands.join(' && ');
}

/** What a `setup-…` action brings, or undefined for any other action. */
export function toolOfAction(action: string, uses: string, inputs: Inputs): Tool | undefined {
  const setup = Object.hasOwn(setups, action) ? setups[action] : undefined;
  if (setup === undefined) return undefined;
  const given = inputs === undefined ? undefined : textIn(inputs, setup.input);
  const tag = action === 'dtolnay/rust-toolchain' ? uses.split('@')[1] : undefined;
  // Of a commit the version cannot be told.
  const pinned = tag !== undefined && /^(?:stable|beta|nightly|[\d.]+)$/.test(tag) ? tag : undefined;
  const version = given ?? pinned ?? (setup.hasDefault === true ? setup.usual : undefined);
  const cache = inputs === undefined ? undefined : textIn(inputs, 'cache');
  const tagOf = (wanted: string): string | undefined =>
    setup.words !== undefined && Object.hasOwn(setup.words, wanted)
      ? setup.words[wanted]
      : (setup.tag ?? numbered)(wanted);
  return {
    name: setup.name,
    version,
    usualImage: setup.image(setup.usual),
    imageOf: (wanted) => {
      const own = tagOf(wanted);
      return setup.other?.(wanted) ?? (own === undefined ? undefined : setup.image(own));
    },
    image: setup.image,
    tag: tagOf,
    cache: cache === 'true' || cache === 'false' ? undefined : cache,
    lockfile: inputs === undefined ? undefined : textIn(inputs, 'cache-dependency-path'),
    volumes: cache === 'false' ? [] : (setup.volumes ?? []),
    command: setup.name === 'Rust' ? rustCommand(inputs) : undefined,
    unmet: Object.entries(setup.asks ?? {}).flatMap(([input, met]) => {
      const value = inputs === undefined ? undefined : textIn(inputs, input)?.trim();
      return value === undefined || met.test(value) ? [] : [`${input}: ${value.replace(/\s+/g, ' ')}`];
    }),
  };
}

export interface KeptFiles {
  readonly volumes: readonly Volume[];
  /** Paths that no volume can hold. */
  readonly left: readonly string[];
}

/** `~/…` is the home of the image's user; cargo of the Rust image lives elsewhere, and `bin` holds cargo itself. */
export function cacheOfAction(action: string, inputs: Inputs): KeptFiles {
  const path = inputs === undefined ? undefined : textIn(inputs, 'path');
  const paths = (path ?? (action === 'swatinem/rust-cache' ? '~/.cargo/registry\n~/.cargo/git\ntarget' : ''))
    .split('\n')
    .map((one) => one.trim().replace(/\/+$/, ''))
    .filter((one) => one !== '');
  const volumes: Volume[] = [];
  const left: string[] = [];
  for (const one of paths) {
    const full = one.replace(/^~\/\.cargo(?=\/)/, '/usr/local/cargo').replace(/^~(?=\/)/, '/root');
    const isOwn = /^\/(?:root|usr\/local\/cargo)\/[\w./-]+$/.test(full) && !full.includes('..');
    if (isOwn && !/^\/usr\/local\/cargo\/(?:bin|\.)/.test(full))
      volumes.push({ name: safeName(full.replace(/^\/root\/|^\/usr\/local\//, '')), path: full });
    else left.push(one);
  }
  return { volumes, left };
}
