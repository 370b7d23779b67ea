// Stands in for llama-server: a process of its own that answers like it, or misbehaves as its first argument says.
import { spawn } from 'node:child_process';
import { writeSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';

const [behaviour = 'good', port = '0'] = process.argv.slice(2);
let asked = 0;

if (behaviour === 'dies') {
  console.log('loading the model');
  console.error('error: the model has no tensors');
  process.exit(1);
}
if (behaviour === 'ignores-term') process.on('SIGTERM', () => console.error('not now'));
else if (behaviour !== 'ends-by-signal') process.on('SIGTERM', () => process.exit(behaviour === 'ends-badly' ? 3 : 0));
if (behaviour === 'chatty') {
  // More than any pipe holds: whoever does not read it keeps this server from going on.
  for (let line = 0; line < 20_000; line += 1) writeSync(1, `layer ${line} was loaded from the file of the model\n`);
}
if (behaviour === 'leaves-child') {
  spawn('sleep', ['300'], { detached: true, stdio: 'ignore' }).unref();
}

if (behaviour !== 'silent') {
  createServer((request, response) => {
    request.resume();
    request.on('end', () => (request.url === '/health' ? health(response) : complete(response)));
  }).listen(Number(port), '127.0.0.1');
} else setInterval(() => undefined, 1000);

function health(response: ServerResponse): void {
  asked += 1;
  if (behaviour === 'loads-for-ever' || (behaviour === 'loads-first' && asked <= 3)) {
    send(response, 503, { error: { code: 503, message: 'Loading model', type: 'unavailable_error' } });
  } else send(response, 200, { status: 'ok' });
}

function complete(response: ServerResponse): void {
  if (behaviour === 'dies-when-asked') {
    console.error('Illegal instruction');
    process.kill(process.pid, 'SIGKILL');
    return;
  }
  // Slow enough for whatever its neighbours do after their answers.
  const delay = behaviour === 'slow' ? 1000 : 0;
  if (behaviour === 'dies-afterwards') response.on('close', () => process.exit(4));
  const tokens = behaviour === 'says-something-else' ? [7, 8, 10] : [7, 8, 9];
  const body = { content: 'abc', tokens, tokens_predicted: behaviour === 'counts-wrong' ? 2 : 3 };
  setTimeout(() => send(response, 200, body), delay);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
