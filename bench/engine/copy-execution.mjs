/** Where an execution has rows, and by what they belong to it, or to its checkpoint; `own` is an id of the row itself. */
const TABLES = [
  { table: 'executions', key: 'id' },
  { table: 'steps', key: 'execution_id' },
  { table: 'execution_events', key: 'execution_id' },
  { table: 'checkpoints', key: 'execution_id', own: 'id' },
  { table: 'checkpoint_events', key: 'checkpoint_id' },
];

/**
 * Copies the rows of one execution `count` times, as the product has left them, whatever columns there are. Only ids and
 * times differ: the copies lie a second apart, the last one where the execution itself is. Audit records are not copied:
 * each is chained to the one before.
 */
export async function copyExecution(client, executionId, count) {
  await skipForeignKeys(client);
  const copies = { of: executionId, count, from: Date.now() - 1000 * (count + 1) };
  for (const place of TABLES) {
    const columns = await listColumns(client, place.table);
    await client.query(copyStatement(place, columns, copies));
  }
  await client.query('vacuum analyze');
  await client.query('checkpoint');
  await checkLastCopy(client, copies);
}

async function listColumns(client, table) {
  const { rows } = await client.query(
    `select column_name as name, data_type as type from information_schema.columns
     where table_schema = 'public' and table_name = $1`,
    [table],
  );
  return rows;
}

/** Lateral, so that all rows of a copy come before those of the next, as they would have. */
function copyStatement({ table, key, own }, columns, { of, count, from }) {
  const values = columns.map(({ name, type }) => {
    if (name === key) return idOf(ownerOf(key), from, 'i');
    if (name === own) return idOf(table, from, 'i');
    return type.startsWith('timestamp') ? `"${name}" - make_interval(secs => ${count} - i)` : `"${name}"`;
  });
  return `insert into ${table} (${columns.map(({ name }) => `"${name}"`).join(', ')})
    select ${values.join(', ')} from generate_series(1, ${count}) as i
    cross join lateral (select * from ${table} where "${key}" = ${originalOf(key, of)} and i > 0) as original`;
}

const ownerOf = (key) => (key === 'checkpoint_id' ? 'checkpoints' : 'execution');

const originalOf = (key, of) =>
  key === 'checkpoint_id' ? `(select id from checkpoints where execution_id = '${of}')` : `'${of}'::uuid`;

/** A UUID of version 7 (RFC 9562) for the second of the copy, so that indexes grow as they would have. */
function idOf(what, from, i) {
  const milliseconds = `lpad(to_hex(${from} + 1000 * ${i}), 12, '0')`;
  const rest = `md5('${what}' || ${i})`;
  return `(${milliseconds} || '7' || substr(${rest}, 1, 3) || '8' || substr(${rest}, 4, 15))::uuid`;
}

/** A copy whose rows do not belong together would be no history. */
async function checkLastCopy(client, { of, count, from }) {
  for (const { table, key } of TABLES) {
    const [original, copy] = [originalOf(key, of), idOf(ownerOf(key), from, count)];
    const { rows } = await client.query(`select count(*) filter (where "${key}" = ${original}) as wanted,
      count(*) filter (where "${key}" = ${copy}) as found
      from ${table} where "${key}" = ${original} or "${key}" = ${copy}`);
    const [{ wanted, found }] = rows;
    if (wanted !== found) throw new Error(`the copy has ${found} rows in ${table} and the original ${wanted}`);
  }
}

/** What they refer to is there; checking it a million times is most of the time. Only a superuser may leave that out. */
async function skipForeignKeys(client) {
  const { rows } = await client.query(`select current_setting('is_superuser') as superuser`);
  if (rows[0].superuser === 'on') await client.query('set session_replication_role = replica');
}
