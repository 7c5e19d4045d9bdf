// An API that answers one server's record at once: what is measured before it is the gateway.
import { createServer } from 'node:http';

const body = Buffer.from(JSON.stringify({ id: 'inst-7', name: 'web-7', plan: 's-1', region: 'lagos-1', tags: ['web'] }));
const server = createServer((request, response) => {
  request.resume();
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length });
  response.end(body);
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.stdout.write(`UPSTREAM ${server.address().port}\n`));
