// with_node.js PORT DATABASE: the same rows through node-postgres. In text alone: with its option binary this
// release cannot read an int4 of a plain PostgreSQL either.
const { Client } = require('pg');
(async () => {
  const [port, database] = process.argv.slice(2);
  const client = new Client({ host: '127.0.0.1', port: Number(port), database, user: 'agent', password: 'any' });
  await client.connect();
  const text = 'SELECT * FROM typed ORDER BY id';
  for (const query of [{ text }, { name: 'again', text }, { name: 'again', text }]) {
    const result = await client.query({ ...query, rowMode: 'array', values: query.name ? [] : undefined });
    console.log(JSON.stringify({ way: `node-postgres${query.name ? ' prepared' : ''}`,
      rows: result.rows.map((row) => row.map((v) => JSON.stringify(v) ?? 'undefined')) }));
  }
  await client.end();
})().catch((e) => { console.error(e); process.exit(1); });
