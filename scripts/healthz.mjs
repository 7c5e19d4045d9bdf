// The container's health check: 0 if the node in it answers, 1 if not.
import { connect } from 'node:net';

const port = Number(process.env.VERDICT_HTTP_PORT || 8088);

const overTls = () =>
  // The listener may ask for a client certificate, which a health check has none of: that it takes connections must do.
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: 2_000 });
    socket.on('connect', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('timeout', () => resolve(false));
  });

const overHttp = () =>
  fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(2_000) }).then(
    ({ ok }) => ok,
    () => false,
  );

process.exit((await (process.env.VERDICT_HTTP_TLS_CERT ? overTls() : overHttp())) ? 0 : 1);
