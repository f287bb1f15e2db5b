// A certified provider of identities. It signs in whoever gives a name; claims are at its userinfo endpoint alone.
// Arguments: where its packages are, where it sends people back to, and the claims of people by their names, in JSON.
// Prints its identifier once it answers.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [place, redirectUri, people] = process.argv.slice(2);
const path = createRequire(`${place}/`).resolve("oidc-provider");
const { default: Provider } = await import(pathToFileURL(path).href);
const claims = JSON.parse(people);

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: "heksher", client_secret: "s3cret+of/the=service", redirect_uris: [redirectUri] }],
    claims: { openid: ["sub"], profile: ["preferred_username", "groups"], email: ["email"] },
    findAccount: (_, id) => claims[id] && { accountId: id, claims: () => ({ sub: id, ...claims[id] }) },
    cookies: { keys: ["a key of this test"] },
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
