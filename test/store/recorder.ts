/**
 * A process that records deliveries with 20 callers at once until it is killed, and prints the id of each one that was
 * acknowledged. Arguments: path of the store, prefix of the ids.
 */
import { writeSync } from 'node:fs';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { delivery, head } from './support.ts';

const [path = '', prefix = ''] = process.argv.slice(2);
const store = await openSqliteStore(path);

async function caller(number: number): Promise<never> {
  for (let turn = 0; ; turn++) {
    const id = `${prefix}.${number}.${turn}`;
    await store.recordDelivery(delivery(id), head());
    writeSync(1, `${id}\n`);
  }
}

await Promise.all(Array.from({ length: 20 }, (_, number) => caller(number)));
