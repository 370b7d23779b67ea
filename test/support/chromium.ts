/** A real Chromium with a fresh profile, as Debian packages it. */
import { chromium, type Browser } from 'playwright-core';

/** Rejects, naming the command that cures it, when there is none on this machine. */
export async function openChromium(): Promise<Browser> {
  const quiet = ['quic', 'background-networking', 'component-update', 'sync', 'gpu'].map((what) => `--disable-${what}`);
  try {
    return await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: ['--no-sandbox', '--no-first-run', ...quiet],
    });
  } catch (cause) {
    throw new Error('No Chromium: apt-get install -y --no-install-recommends chromium', { cause });
  }
}
