// A real OpenID provider (npm oidc-provider) for tests: its own login pages, any password. PEOPLE: JSON, a person's
// groups by name. CERTIFICATE, KEY: files, for TLS. Prints its issuer, then serves until it is killed.
import { createServer } from 'node:http';
import { createServer as createTls } from 'node:https';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [, , modules, redirect, people, certificate, key] = process.argv;
const require = createRequire(pathToFileURL(modules + '/'));
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')).href);
const groups = JSON.parse(people);

const server = certificate ? createTls({ cert: readFileSync(certificate), key: readFileSync(key) }) : createServer();
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const issuer = `${certificate ? 'https' : 'http'}://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, {
  clients: [{
    client_id: 'sluice', client_secret: 'a secret with %20 and +', redirect_uris: [redirect],
    grant_types: ['authorization_code'], response_types: ['code'],
  }],
  scopes: ['openid', 'profile', 'email', 'groups'],
  claims: { openid: ['sub'], profile: ['preferred_username'], email: ['email'], groups: ['groups'] },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  cookies: { keys: ['test'] },
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id, email: `${id}@example.com`, groups: groups[id] ?? [] }),
  }),
});
server.on('request', provider.callback());
console.log(issuer);
