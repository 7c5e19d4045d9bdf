// Asks one URL at a steady rate, whatever it answers, and says how long each answer took: `node paced.mjs '{"url":…}'`.
// A request's time counts from when it was due, so that a pause of the other side is not left out.
import { Agent, request } from 'node:http';

const { url, headers, rate, seconds, connections = 64 } = JSON.parse(process.argv[2]);
const agent = new Agent({ keepAlive: true, maxSockets: connections, scheduling: 'lifo' });
const latencies = [];
let refused = 0;
let open = 0;

const ask = (due) => {
  open += 1;
  const done = () => {
    open -= 1;
  };
  const outgoing = request(url, { agent, headers }, (response) => {
    if (response.statusCode !== 200) refused += 1;
    response.on('data', () => undefined);
    response.on('end', () => {
      latencies.push(performance.now() - due);
      done();
    });
  });
  outgoing.on('error', () => {
    refused += 1;
    done();
  });
  outgoing.end();
};

const begun = performance.now();
const WARM = 1;
let sent = 0;
let warm = 0;
const tick = () => {
  const now = performance.now() - begun;
  const due = Math.floor((now / 1000) * rate);
  for (; sent < due; sent++) ask(begun + ((sent + 1) * 1000) / rate);
  if (warm === 0 && now > WARM * 1000) {
    warm = 1;
    latencies.length = 0;
  }
  if (now < (seconds + WARM) * 1000) setImmediate(tick);
  else finish();
};

const finish = () => {
  if (open > 0 && performance.now() - begun < (seconds + WARM + 5) * 1000) return setTimeout(finish, 20);
  latencies.sort((a, b) => a - b);
  const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
  process.stdout.write(`PACED ${JSON.stringify({ requests: latencies.length, p50: at(0.5), p99: at(0.99), p999: at(0.999), refused: refused + open })}\n`);
  process.exit(0);
};
tick();
