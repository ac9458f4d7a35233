// Every way to authenticate at every endpoint with `openid-client`, and the token verified by RFC 9068 with
// `oauth4webapi`. It runs beside a `node_modules` that has both, and says `done` when all went well.
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import * as oauth from "oauth4webapi";
import * as client from "openid-client";

const { env } = process;
const issuer = new URL(env.ISSUER);
const audience = "https://orders.example";
const pkcs8 = createPrivateKey(readFileSync(env.KEY_FILE)).export({ format: "der", type: "pkcs8" });
const curve = { name: "ECDSA", namedCurve: "P-256" };
const key = await crypto.subtle.importKey("pkcs8", pkcs8, curve, false, ["sign"]);

const ways = {
  client_secret_basic: [env.CLIENT_ID, client.ClientSecretBasic(env.CLIENT_SECRET)],
  client_secret_post: [env.CLIENT_ID, client.ClientSecretPost(env.CLIENT_SECRET)],
  client_secret_jwt: [env.JWT_CLIENT_ID, client.ClientSecretJwt(env.JWT_CLIENT_SECRET)],
  private_key_jwt: [env.KEY_CLIENT_ID, client.PrivateKeyJwt({ key, kid: env.KEY_ID })],
};

for (const discovery of ["oauth2", "oidc"]) {
  const config = await client.discovery(issuer, "nobody", undefined, client.None(), {
    algorithm: discovery,
    execute: [client.allowInsecureRequests],
  });
  assert.deepEqual(
    [...config.serverMetadata().token_endpoint_auth_methods_supported].sort(),
    Object.keys(ways).sort(),
  );
}

for (const [name, [id, authentication]] of Object.entries(ways)) {
  const config = await client.discovery(issuer, id, undefined, authentication, {
    execute: [client.allowInsecureRequests],
  });
  const token = await client.clientCredentialsGrant(config, { scope: "orders:read", audience });
  assert.equal(token.scope, "orders:read", name);

  const as = config.serverMetadata();
  const call = (bearer) =>
    oauth.validateJwtAccessToken(
      as,
      new Request("https://orders.example/1", { headers: { Authorization: `Bearer ${bearer}` } }),
      audience,
      { [oauth.allowInsecureRequests]: true },
    );
  const claims = await call(token.access_token);
  assert.equal(claims.client_id, id, name);
  assert.equal(claims.sub, id, name);
  const parts = token.access_token.split(".");
  parts[1] = Buffer.from(JSON.stringify({ ...claims, scope: "orders:write" })).toString("base64url");
  await assert.rejects(call(parts.join(".")), name);

  const resourced = await client.clientCredentialsGrant(config, { resource: audience });
  assert.equal(resourced.scope, "orders:read orders:write", name);

  const refreshed = await client.refreshTokenGrant(config, token.refresh_token);
  assert.notEqual(refreshed.refresh_token, token.refresh_token, name);
  const told = await client.tokenIntrospection(config, refreshed.access_token);
  assert.equal(told.active, true, name);
  assert.equal(told.client_id, id, name);
  await client.tokenRevocation(config, refreshed.access_token);
  assert.deepEqual(await client.tokenIntrospection(config, refreshed.access_token), { active: false });

  await assert.rejects(
    client.clientCredentialsGrant(config, { scope: "orders:nothing" }),
    (error) => error.error === "invalid_scope" && error.status === 400,
    name,
  );
}
console.log("done");
