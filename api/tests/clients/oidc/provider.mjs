// An OpenID provider for tests: `node provider.mjs --redirect-uri URI [--email E] [--unverified]`.
//
// It serves on a free port, prints one line of JSON (issuer, client_id, client_secret) and ends with its standard input.
// Whoever comes is logged in as E, or as the `login_hint` of the request, without a page: a client that follows redirects
// and keeps cookies comes back to the redirect URI with a code. PKCE (S256) is required.
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import Provider from 'oidc-provider';

const { values } = parseArgs({
  options: {
    'redirect-uri': { type: 'string', multiple: true },
    email: { type: 'string', default: 'ada@example.com' },
    unverified: { type: 'boolean', default: false },
  },
});
const secret = () => randomBytes(24).toString('base64url');
const client = { client_id: 'tephra', client_secret: secret(), redirect_uris: values['redirect-uri'] ?? [] };

const server = createServer();
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;
const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });

const provider = new Provider(issuer, {
  clients: [client],
  jwks: { keys: [{ ...key, kid: 'tests', use: 'sig', alg: 'RS256' }] },
  cookies: { keys: [secret()] },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  // Claims stand in the id token too, as with most providers that companies run.
  conformIdTokenClaims: false,
  pkce: { methods: ['S256'], required: () => true },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, email) => ({
    accountId: email,
    claims: () => ({
      sub: createHash('sha256').update(email).digest('hex').slice(0, 16),
      email,
      email_verified: !values.unverified,
      name: email.split('@')[0],
    }),
  }),
});

// What a person would do on the provider's pages: log in, then agree.
async function interact(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    const login = { accountId: params.login_hint ?? values.email };
    return provider.interactionFinished(request, response, { login }, { mergeWithLastSubmission: false });
  }
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope, missingOIDCClaims } = prompt.details;
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

const handle = provider.callback();
server.on('request', (request, response) => {
  if (!request.url.startsWith('/interaction/')) return handle(request, response);
  interact(request, response).catch((error) => {
    response.writeHead(500).end(String(error));
  });
});

const { client_id, client_secret } = client;
console.log(JSON.stringify({ issuer, client_id, client_secret }));
process.stdin.resume().on('end', () => process.exit(0)).on('error', () => process.exit(0));
