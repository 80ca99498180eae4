// An authorization server (oidc-provider) and an MCP server that wants its tokens (the official SDK), each on a port of its own.
//
//     node authorization.mjs FOLDER      FOLDER holds node_modules
//
// Prints `port N` of the MCP server. Tokens live for 31 s, which a client that renews half a minute early renews at every
// use. The MCP server's one tool, `renewals`, tells how many tokens it has seen.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import http from "node:http";

const modules = join(process.argv[2], "node_modules");
const load = (path) => import(pathToFileURL(join(modules, path)));
const require = createRequire(join(modules, "x.js"));
const { Provider } = await load("oidc-provider/lib/index.js");
const express = require("express");
const { McpServer } = require("@modelcontextprotocol/sdk/server/mcp.js");
const { StreamableHTTPServerTransport } = require("@modelcontextprotocol/sdk/server/streamableHttp.js");
const { requireBearerAuth } = require("@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js");
const { InvalidTokenError } = require("@modelcontextprotocol/sdk/server/auth/errors.js");

const listening = async (server) => {
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    return server.address().port;
};

const [logins, servers] = [http.createServer(), http.createServer()];
const issuer = `http://127.0.0.1:${await listening(logins)}`;
const port = await listening(servers);
const resource = `http://127.0.0.1:${port}/mcp`;

const provider = new Provider(issuer, {
    scopes: ["openid", "offline_access", "mcp:tools"],
    clientDefaults: { grant_types: ["authorization_code", "refresh_token"], token_endpoint_auth_method: "none" },
    features: {
        devInteractions: { enabled: true },
        registration: { enabled: true },
        resourceIndicators: {
            enabled: true,
            defaultResource: () => resource,
            useGrantedResource: () => true,
            getResourceServerInfo: () => ({ scope: "mcp:tools", audience: resource, accessTokenTTL: 31 }),
        },
    },
    issueRefreshToken: () => true,
});
logins.on("request", provider.callback());

const seen = new Set();
const verifier = {
    async verifyAccessToken(text) {
        const token = await provider.AccessToken.find(text);
        if (!token) throw new InvalidTokenError("unknown or expired");
        seen.add(text);
        return { token: text, clientId: token.clientId, scopes: [...token.scopes], expiresAt: token.exp };
    },
};
const app = express();
app.use(express.json());
const metadata = `http://127.0.0.1:${port}/.well-known/oauth-protected-resource/mcp`;
app.get("/.well-known/oauth-protected-resource/mcp", (_, response) => {
    response.json({ resource, authorization_servers: [issuer], scopes_supported: ["mcp:tools"] });
});
const guard = requireBearerAuth({ verifier, requiredScopes: ["mcp:tools"], resourceMetadataUrl: metadata });
app.post("/mcp", guard, async (request, response) => {
    const server = new McpServer({ name: "guarded", version: "1" });
    server.tool("renewals", () => ({ content: [{ type: "text", text: String(seen.size) }] }));
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    response.on("close", () => transport.close());
    await server.connect(transport);
    await transport.handleRequest(request, response, request.body);
});
app.all("/mcp", (_, response) => response.status(405).end());
servers.on("request", app);
console.log(`port ${port}`);
