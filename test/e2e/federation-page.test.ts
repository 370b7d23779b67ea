/** The monitor's page in a real browser. */
import { expect, test } from 'vitest';
import { startMonitor } from '../../ci/federation/src/monitor/server.ts';
import { openChromium } from '../support/chromium.ts';
import { readToken, startHubRig } from '../support/federation-rig.ts';

test(
  'the page shows the hub live, over its restarts, and hostile names and tasks as text',
  { timeout: 90_000 },
  async () => {
    await using rig = await startHubRig();
    const { healthPort, port } = rig.hub;
    const url = `http://127.0.0.1:${healthPort}`;
    const monitor = await startMonitor({ hub: { url, token: readToken, everyMs: 50 }, host: '127.0.0.1', port: 0 });
    const browser = await openChromium();
    try {
      const page = await browser.newPage();
      const trouble: string[] = [];
      page.on('pageerror', (error) => trouble.push(error.message));
      page.on('console', (message) => {
        if (message.type() === 'error') trouble.push(message.text());
      });
      await page.goto(`http://127.0.0.1:${monitor.port}/`);
      const text = (selector: string): Promise<string> => page.locator(selector).innerText();
      const waits = { timeout: 20_000 };

      const coder = await rig.connect('red/coder');
      await rig.connect('blue/coder');
      await expect.poll(() => text('#connected'), waits).toBe('2');
      await coder.push(coder.episode(1));
      await expect.poll(() => text('#episodes'), waits).toBe('1');
      const hostile = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>";
      await coder.push(coder.episode(2, { task: hostile }));
      await expect.poll(() => text('#episodes'), waits).toBe('2');
      await expect.poll(() => text('#log'), waits).toContain(hostile);
      expect(await page.title()).toBe('Federation');
      expect(await page.locator('#log img, #log script, #timeline img').count()).toBe(0);
      expect(await text('#tenants')).toMatch(/blue\s+coder\s+0\s+0\s+red\s+coder\s+2\s+0/);
      expect(await page.locator('#timeline circle.memory').count()).toBe(2);
      expect(await page.locator('#timeline circle.lifecycle').count()).toBe(2);
      expect(await page.locator('html').getAttribute('data-fresh')).toBe('true');

      await rig.hub.stop();
      await expect.poll(() => page.locator('html').getAttribute('data-fresh'), waits).toBe('false');
      await rig.again({ healthPort, port });
      await expect.poll(() => page.locator('html').getAttribute('data-fresh'), waits).toBe('true');
      const again = await rig.connect('red/coder');
      await again.push(again.episode(3));
      await expect.poll(() => text('#episodes'), waits).toBe('3');
      expect(trouble).toEqual([]);
    } finally {
      await browser.close();
      await monitor.stop();
    }
  },
);
