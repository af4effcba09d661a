// An OpenID Connect provider that others wrote, whose people sign in without a browser: the
// login hint of a request says who it is, and nobody is asked anything.
//
//   node oidc_provider.mjs <port>      prints one line when it listens

import { generateKeyPairSync, randomUUID } from "node:crypto";
import { Provider } from "oidc-provider";

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;

const key = (type, alg, options) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }),
  alg,
  use: "sig",
  kid: `${alg}-${randomUUID()}`,
});

const client = (client_id, id_token_signed_response_alg) => ({
  client_id,
  id_token_signed_response_alg,
  client_secret: "not-a-secret",
  redirect_uris: [`${issuer}/callback`],
});

const provider = new Provider(issuer, {
  clients: [client("app", "RS256"), client("ed", "EdDSA"), client("ec", "ES256")],
  jwks: {
    keys: [
      key("rsa", "RS256", { modulusLength: 2048 }),
      key("ed25519", "EdDSA", {}),
      key("ec", "ES256", { namedCurve: "P-256" }),
    ],
  },
  enabledJWA: { idTokenSigningAlgValues: ["RS256", "EdDSA", "ES256"] },
  claims: {
    openid: ["sub", "org"],
    profile: ["name", "given_name", "updated_at"],
    email: ["email", "email_verified"],
  },
  conformIdTokenClaims: false, // the claims are wanted in the ID token
  cookies: { keys: ["not-a-secret"] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      name: `${id} 🙃`,
      given_name: id,
      updated_at: 1700000000,
      email: `${id}@example.com`,
      email_verified: true,
      org: { id: 7 },
    }),
  }),
});

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith("/interaction/")) return next();
  const { params } = await provider.interactionDetails(ctx.req, ctx.res);
  const grant = new provider.Grant({ accountId: params.login_hint, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  await provider.interactionFinished(ctx.req, ctx.res, {
    login: { accountId: params.login_hint },
    consent: { grantId: await grant.save() },
  });
});

provider.listen(port, "127.0.0.1", () => console.log(`listening at ${issuer}`));
