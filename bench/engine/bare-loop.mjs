import { connect } from './bench-database.mjs';

/** Of one measurement; it is repeated before each measurement of the engine. */
const COMMITS = 500;

/**
 * The floor: one connection, one prepared update of one row, one commit a step, and nothing else. `commitMs` answers what
 * one of them takes on average.
 */
export async function openBareLoop(url, commits = COMMITS) {
  const client = await connect(url);
  await client.query('create table bare (id int primary key, step int, output json)');
  await client.query('insert into bare values (1, 0, null)');
  const commitMs = async () => {
    const began = performance.now();
    for (let step = 0; step < commits; step++) await client.query(update(step));
    return (performance.now() - began) / commits;
  };
  await commitMs();
  return { commitMs, close: () => client.end() };
}

function update(step) {
  const text = 'update bare set step = $1, output = $2 where id = 1';
  return { name: 'bare', text, values: [step, String(step)] };
}
