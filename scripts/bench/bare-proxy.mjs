// Forwards every request to the address that it is given, and nothing more. Prints `PROXY <port>` when it listens.
import { Agent, createServer, request } from 'node:http';

const { hostname: host, port } = new URL(process.argv[2]);
const agent = new Agent({ keepAlive: true });

const server = createServer((incoming, response) => {
  const { method, url: path, headers } = incoming;
  const outgoing = request({ host, port, path, method, headers, agent }, (answer) => {
    response.writeHead(answer.statusCode, answer.rawHeaders);
    answer.pipe(response);
  });
  outgoing.on('error', () => response.destroy());
  incoming.pipe(outgoing);
});

server.listen(0, '127.0.0.1', () => console.log(`PROXY ${server.address().port}`));
