// A client made with the official TypeScript SDK, unchanged: `web_client.mjs NPM_FOLDER KIND URL TOKEN`, KIND being http, sse or ws.
//
// Shakes hands, lists the tools, runs a program that writes before it ends, and prints what it saw as JSON.

const [folder, kind, url, token] = process.argv.slice(2);
const sdk = `${folder}/node_modules/@modelcontextprotocol/sdk/dist/esm`;
const { Client } = await import(`${sdk}/client/index.js`);
const headers = token ? { Authorization: `Bearer ${token}` } : {};

async function transport() {
  if (kind === "http") {
    const { StreamableHTTPClientTransport } = await import(`${sdk}/client/streamableHttp.js`);
    return new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit: { headers } });
  }
  if (kind === "sse") {
    const { SSEClientTransport } = await import(`${sdk}/client/sse.js`);
    return new SSEClientTransport(new URL(`${url}/sse`), { requestInit: { headers } });
  }
  const { WebSocketClientTransport } = await import(`${sdk}/client/websocket.js`);
  return new WebSocketClientTransport(new URL(`${url.replace("http", "ws")}/ws`));
}

const client = new Client({ name: "test", version: "1" });
await client.connect(await transport());
const { tools } = await client.listTools();
const told = [];
const code = "import asyncio\nprint('begun', flush=True)\nawait asyncio.sleep(1)\n40 + 2";
const result = await client.callTool({ name: "run_python", arguments: { code } }, undefined, {
  onprogress: (progress) => told.push(progress.message),
});
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), result: result.structuredContent.result, told }));
await client.close();
