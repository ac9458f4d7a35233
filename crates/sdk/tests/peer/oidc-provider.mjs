// Another vendor's authorization server, to see the SDK against what it was not made for. Its argument is
// the directory that oidc-provider was installed into; it prints one line of JSON and serves until its
// standard input ends.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const library = join(process.argv[2], 'node_modules', 'oidc-provider', 'lib', 'index.js');
const { default: Provider, errors } = await import(pathToFileURL(library));

const SECRET = 'a secret + of % another: vendor, and long enough for HS256';
const audience = 'urn:peer:orders';

const clientKey = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const signingKey = (kid, alg, pair) => ({ ...pair.privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' });

const client = (id, method, more) => ({
  client_id: id,
  token_endpoint_auth_method: method,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  scope: 'orders:read orders:write',
  ...more,
});

const server = createServer().listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      client('basic', 'client_secret_basic', { client_secret: SECRET }),
      client('post', 'client_secret_post', { client_secret: SECRET }),
      client('secret_jwt', 'client_secret_jwt', { client_secret: SECRET }),
      client('private_key_jwt', 'private_key_jwt', {
        token_endpoint_auth_signing_alg: 'ES256',
        jwks: { keys: [{ ...clientKey.publicKey.export({ format: 'jwk' }), kid: 'one' }] },
      }),
    ],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt'],
    jwks: {
      keys: [
        signingKey('rsa', 'RS256', generateKeyPairSync('rsa', { modulusLength: 2048 })),
        signingKey('p256', 'ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })),
        signingKey('ed', 'EdDSA', generateKeyPairSync('ed25519')),
      ],
    },
    scopes: ['orders:read', 'orders:write'],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        // `orders` signs with ES256, `orders:rsa` with RS256, `orders:ed` with EdDSA.
        getResourceServerInfo: (_, resource) => {
          if (!resource.startsWith('urn:peer:orders:')) throw new errors.InvalidTarget();
          return {
          scope: 'orders:read orders:write',
          audience,
          accessTokenFormat: resource.endsWith(':opaque') ? 'opaque' : 'jwt',
          accessTokenTTL: 300,
          jwt: { sign: { alg: { rsa: 'RS256', ed: 'EdDSA' }[resource.split(':')[3]] ?? 'ES256' } },
          };
        },
      },
    },
  });
  server.on('request', provider.callback());
  console.log(JSON.stringify({
    issuer,
    audience,
    secret: SECRET,
    key: clientKey.privateKey.export({ format: 'pem', type: 'pkcs8' }),
  }));
});
process.stdin.on('end', () => process.exit(0)).resume();
