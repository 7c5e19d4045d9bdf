import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { answerHeaders, type HeaderList, type Introduction, passedTrailers, repeatedField, upstreamHeaders } from './headers.js';

const about: Introduction = {
  requestId: 'req-1',
  trace: { id: 'a'.repeat(32), parent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, isContinued: true },
  client: '203.0.113.7',
  peer: '203.0.113.7',
  protocol: 'https',
  host: 'api.example.com',
  upstreamHost: '127.0.0.1:3000',
  user: { subject: { type: 'user', id: 'usr-1' }, account: 'acc-1', token: 'tok-1' },
  decisions: ['evt-1'],
};
const hop = { expectsContinue: false, wantsPlainAnswer: false };

const sent = (headers: IncomingMessage['headers'], more: Partial<Introduction> = {}, how = hop): ReadonlyMap<string, string> => {
  const list = upstreamHeaders({ headers }, { ...about, ...more }, { kind: 'none' }, how);
  const map = new Map<string, string>();
  for (let at = 0; at < list.length; at += 2) {
    const name = (list[at] as string).toLowerCase();
    expect(map.has(name), `${name} twice`).toBe(false);
    map.set(name, list[at + 1] as string);
  }
  return map;
};

describe('what goes on to the upstream', () => {
  it('has what the client said of the message, and nothing of its connection', () => {
    const found = sent({
      accept: 'application/json',
      'x-custom': 'a, b',
      cookie: 'a=1; b=2',
      connection: 'close, X-Custom-Hop',
      'x-custom-hop': '1',
      'keep-alive': 'timeout=5',
      'proxy-connection': 'keep-alive',
      'proxy-authorization': 'Basic abc',
      te: 'gzip',
      upgrade: 'h2c',
    });
    expect(found.get('accept')).toBe('application/json');
    expect(found.get('x-custom')).toBe('a, b');
    expect(found.get('cookie')).toBe('a=1; b=2');
    for (const name of ['x-custom-hop', 'keep-alive', 'proxy-connection', 'proxy-authorization', 'te', 'upgrade', 'connection'])
      expect(found.has(name), name).toBe(false);
  });

  it('says who the client is in the gateway’s own words alone', () => {
    const found = sent({
      'x-verdict-subject-id': 'usr-admin',
      x_verdict_subject_id: 'usr-admin',
      'x-forwarded-for': '1.1.1.1',
      x_forwarded_for: '1.1.1.1',
      'x-forwarded-user': 'admin',
      forwarded: 'for=1.1.1.1',
      'x-real-ip': '1.1.1.1',
      'x-request-id': 'mine',
      traceparent: 'mine',
      via: '1.0 fred',
    });
    expect(found.get('x-verdict-subject-id')).toBe('usr-1');
    expect(found.get('x-verdict-subject-type')).toBe('user');
    expect(found.get('x-verdict-account')).toBe('acc-1');
    expect(found.get('x-verdict-decision')).toBe('evt-1');
    expect(found.get('x-forwarded-for')).toBe('203.0.113.7');
    expect(found.get('forwarded')).toBe('for=203.0.113.7;host="api.example.com";proto=https');
    expect(found.get('x-forwarded-proto')).toBe('https');
    expect(found.get('x-forwarded-host')).toBe('api.example.com');
    expect(found.get('host')).toBe('127.0.0.1:3000');
    expect(found.get('x-request-id')).toBe('req-1');
    expect(found.get('traceparent')).toBe(about.trace.parent);
    for (const name of ['x_verdict_subject_id', 'x_forwarded_for', 'x-forwarded-user', 'x-real-ip']) expect(found.has(name), name).toBe(false);
  });

  it('names nobody where nobody had to be known, whatever the client says', () => {
    const { user: _user, ...anonymous } = about;
    const list = upstreamHeaders({ headers: { 'x-verdict-subject': 'user/root' } }, { ...anonymous, decisions: [] }, { kind: 'none' }, hop);
    expect(list.filter((one) => /^x-verdict-/i.test(one))).toEqual([]);
  });

  it('can’t be taken for another request than the one decided on', () => {
    const found = sent({ 'x-http-method-override': 'DELETE', 'x-original-url': '/admin', x_http_method_override: 'DELETE', 'x-rewrite-url': '/admin' });
    for (const name of ['x-http-method-override', 'x-original-url', 'x_http_method_override', 'x-rewrite-url']) expect(found.has(name), name).toBe(false);
  });

  it('keeps what the gateway says even where Connection names it', () => {
    const found = sent({ connection: 'x-forwarded-for, x-verdict-subject-id, host, x-request-id' });
    for (const name of ['x-forwarded-for', 'x-verdict-subject-id', 'host', 'x-request-id']) expect(found.has(name), name).toBe(true);
  });

  it('encodes ids that no header holds', () => {
    const user = { subject: { type: 'user', id: 'usr ü\r\nX-Evil: 1' } };
    expect(sent({}, { user }).get('x-verdict-subject-id')).toBe('usr%20%C3%BC%0D%0AX-Evil%3A%201');
  });

  it('names a trusted proxy behind the client, and IPv6 as RFC 7239 has it', () => {
    const found = sent({}, { client: '2001:db8::1', peer: '10.0.0.1' });
    expect(found.get('forwarded')).toBe('for="[2001:db8::1]";host="api.example.com";proto=https, for=10.0.0.1');
    expect(found.get('x-forwarded-for')).toBe('2001:db8::1, 10.0.0.1');
  });

  it('passes a wish for trailers on, hop by hop', () => {
    const found = sent({ te: 'trailers, deflate;q=0.5' });
    expect(found.get('te')).toBe('trailers');
    expect(found.get('connection')).toBe('keep-alive, TE');
  });

  it('asks for an answer that can be read where it must be', () => {
    expect(sent({ 'accept-encoding': 'gzip' }).get('accept-encoding')).toBe('gzip');
    expect(sent({ 'accept-encoding': 'gzip' }, {}, { ...hop, wantsPlainAnswer: true }).has('accept-encoding')).toBe(false);
  });

  it('has no state of a trace that it does not continue', () => {
    expect(sent({ tracestate: 'a=1' }).get('tracestate')).toBe('a=1');
    expect(sent({ tracestate: 'a=1' }, { trace: { ...about.trace, isContinued: false } }).has('tracestate')).toBe(false);
  });
});

describe('what comes back', () => {
  const answer = (rawHeaders: HeaderList, connection?: string) =>
    answerHeaders({ rawHeaders: rawHeaders as string[], headers: connection === undefined ? {} : { connection } }, 'req-1', ['evt-1']);

  it('keeps every Set-Cookie, in order, and drops the connection’s own', () => {
    const raw = [
      'Set-Cookie',
      'a=1',
      'Content-Type',
      'text/plain',
      'Set-Cookie',
      'b=2',
      'Connection',
      'close, X-Hop',
      'X-Hop',
      '1',
      'Transfer-Encoding',
      'chunked',
      'Keep-Alive',
      'timeout=5',
    ];
    expect(answer(raw, 'close, X-Hop')).toEqual([
      'Set-Cookie',
      'a=1',
      'Content-Type',
      'text/plain',
      'Set-Cookie',
      'b=2',
      'X-Request-ID',
      'req-1',
      'X-Verdict-Decision',
      'evt-1',
    ]);
  });

  it('carries the gateway’s request id, not the upstream’s', () => {
    expect(answer(['X-Request-Id', 'theirs', 'X-Verdict-Decision', 'theirs'])).toEqual(['X-Request-ID', 'req-1', 'X-Verdict-Decision', 'evt-1']);
  });
});

describe('trailers', () => {
  it('go on, but for those that say who or what a message is', () => {
    const raw = [
      'X-Checksum',
      'abc',
      'Content-Length',
      '5',
      'Authorization',
      'Bearer x',
      'X-Verdict-Subject-Id',
      'root',
      'Host',
      'x',
      'X_Forwarded_For',
      '1.1.1.1',
    ];
    expect(passedTrailers(raw)).toEqual([['X-Checksum', 'abc']]);
  });
});

describe('a field that may stand once', () => {
  it('is found where it stands twice, in any spelling', () => {
    expect(repeatedField(['Host', 'a', 'X', '1', 'X', '2'])).toBeUndefined();
    expect(repeatedField(['Authorization', 'a', 'AUTHORIZATION', 'b'])).toBe('authorization');
    expect(repeatedField(['Host', 'a', 'host', 'a'])).toBe('host');
  });
});
