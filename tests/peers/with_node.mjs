// with_node DRIVER: node-postgres or postgres.js; where to connect to is in PGHOST and the like.
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
const require = createRequire(process.env.PEERS_NODE + '/');
const say = (...what) => console.log(what.map((w) => (typeof w === 'string' ? w : JSON.stringify(w))).join(' '));
const digest = (rows) => createHash('sha256').update(JSON.stringify(rows)).digest('hex');
const BIG = 'SELECT i, repeat(md5(i::text), 20) AS m FROM generate_series(1, 20000) i';
const ERRORS = ['SELECT 1/0', 'SELECT * FROM nowhere', 'INSERT INTO made (n) VALUES (-1)', 'SELEC 1'];
const told = ({ severity, code, message, detail, hint, position, constraint, table }) =>
  ({ severity, code, message, detail, hint, position, constraint, table });

async function nodePostgres() {
  const { Client } = require('pg');
  const c = new Client();
  const heard = [];
  c.on('notice', (n) => say('notice', told(n)));
  c.on('notification', (n) => heard.push([n.channel, n.payload]));
  await c.connect();
  for (const q of [{}, { name: 'p' }, { name: 'p' }]) {
    const r = await c.query({ ...q, text: 'SELECT * FROM typed WHERE id <= $1 ORDER BY id', values: [2] });
    say('types', r.rows, r.fields.map((f) => [f.name, f.dataTypeID, f.dataTypeSize, f.format]));
  }
  for (const sql of ERRORS) await c.query(sql).catch((e) => say('error', told(e)));
  say('several', (await c.query('SELECT 1; SELECT tell(2); INSERT INTO made (k) VALUES (\'n\')')).map((r) => [r.command, r.rowCount, r.rows]));
  say('big', digest((await c.query(BIG)).rows));
  await c.query('BEGIN');
  await c.query('INSERT INTO made (k) VALUES ($1)', ['gone']);
  await c.query('ROLLBACK');
  say('transaction', (await c.query('SELECT count(*) FROM made')).rows);
  await c.query('LISTEN ch');
  await c.query("NOTIFY ch, 'payload'");
  say('notify', heard);
  await c.end();
}

async function postgresJs() {
  const postgres = require('postgres');
  const sql = postgres({ max: 1, onnotice: (n) => say('notice', told(n)), host: process.env.PGHOST });
  for (let run = 0; run < 3; run++) say('types', await sql`SELECT * FROM typed ORDER BY id`);
  for (const text of ERRORS) await sql.unsafe(text).catch((e) => say('error', told(e)));
  await sql`SELECT tell(${3})`;
  say('big', digest(await sql.unsafe(BIG)));
  await sql.begin(async (tx) => { await tx`INSERT INTO made ${tx([{ k: 'j1', n: 1 }, { k: 'j2', n: 2 }])}`; });
  await sql.begin(async (tx) => { await tx`INSERT INTO made (k) VALUES ('gone')`; throw new Error('no'); }).catch((e) => say('rolled back', e.message));
  say('transaction', await sql`SELECT k, n FROM made ORDER BY k`);
  let rows = 0;
  await sql.unsafe(BIG).cursor(500, (r) => { rows += r.length; });
  say('cursor', rows);
  const slow = sql`SELECT pg_sleep(60)`.execute();
  setTimeout(() => slow.cancel(), 500);
  await slow.catch((e) => say('cancel', told(e)));
  say('after', await sql`SELECT 1 AS one`);
  await sql.end();
}

await { 'node-postgres': nodePostgres, 'postgres.js': postgresJs }[process.argv[2]]();
