/** `node http-health.ts URL`: 0 when the address answers 200. The health check of images without curl. */
const url = process.argv[2] ?? '';
const response = await fetch(url, { signal: AbortSignal.timeout(4000) });
if (response.status !== 200) {
  console.error(`${url}: ${response.status} ${await response.text()}`);
  process.exitCode = 1;
}
