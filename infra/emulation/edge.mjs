// CloudFront on this machine: follows the behaviours of edge.yaml, and runs its functions as they
// are written there. Started by stage.py with one argument: {port, origins, behaviours} as JSON.
import http from "node:http";
import net from "node:net";

const { port, origins, behaviours } = JSON.parse(process.argv[2]);

function behaviourOf(path) {
  return behaviours.find(({ pattern }) => matches(pattern, path));
}

// CloudFront's patterns: * is any text, slashes included.
function matches(pattern, path) {
  const escaped = pattern.split("*").map((part) => part.replace(/[.?+^$(){}|[\]\\]/g, "\\$&"));
  return new RegExp(`^${escaped.join(".*")}$`).test(path);
}

function viewerRequest(code, url, method) {
  const querystring = Object.fromEntries(
    [...url.searchParams].map(([name, value]) => [name, { value }]),
  );
  const request = { method, uri: url.pathname, querystring, headers: {} };
  if (!code) return request;
  return new Function("event", `${code}; return handler(event);`)({ request });
}

// Where a viewer's request goes: host, port and path of its origin, and the headers it gets.
function routed(request) {
  const url = new URL(request.url, "http://viewer");
  const behaviour = behaviourOf(url.pathname);
  const origin = origins[behaviour.origin];
  const changed = viewerRequest(behaviour.code, url, request.method);
  const query = Object.entries(changed.querystring)
    .map(([name, { value }]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join("&");
  const viewer = request.socket.remoteAddress;
  const seen = request.headers["x-forwarded-for"];
  return {
    host: origin.host,
    port: origin.port,
    path: origin.path + changed.uri + (query ? `?${query}` : ""),
    headers: {
      ...request.headers,
      ...origin.headers,
      host: `${origin.host}:${origin.port}`,
      "x-forwarded-for": seen ? `${seen}, ${viewer}` : viewer,
    },
  };
}

const server = http.createServer((request, response) => {
  const { host, port, path, headers } = routed(request);
  const onward = http.request({ host, port, path, headers, method: request.method }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  onward.on("error", (error) => response.writeHead(502).end(String(error)));
  request.pipe(onward);
});

server.on("upgrade", (request, socket, head) => {
  const { host, port, path, headers } = routed(request);
  const onward = net.connect(port, host, () => {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    onward.write([`GET ${path} HTTP/1.1`, ...lines, "", ""].join("\r\n"));
    onward.write(head);
    onward.pipe(socket).pipe(onward);
  });
  for (const end of [onward, socket]) {
    end.on("error", () => [onward, socket].forEach((each) => each.destroy()));
  }
});

server.listen(port, "127.0.0.1", () => console.log("ready"));
