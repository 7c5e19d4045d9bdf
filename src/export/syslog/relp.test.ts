import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { hostileBatch } from '../../../test/peers/hostile-events.js';
import { openDial } from '../../../test/peers/rsyslog.js';
import type { Sender, Sent } from '../sender.js';
import type { SyslogConfig } from './config.js';
import { newRelpReader, type RelpFrame, relpFrame } from './relp-frames.js';
import { syslogSender } from './syslog-sender.js';

/** rsyslog refuses no message and answers in order; what the protocol lets a server do beside that is done by this one. */
type Answers = (frame: RelpFrame, seq: number, socket: Socket) => string | undefined;

const never = new AbortController().signal;
const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const seqOf = (data: Buffer): number => Number(/ seq="(\d+)"/.exec(data.toString())?.[1]);

/** A RELP server that gives each message the answer that `answers` has for it; none where that is undefined. */
const relpServer = async (answers: Answers, offer = '200 OK\nrelp_version=0\ncommands=syslog') => {
  const got: number[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    const read = newRelpReader();
    socket.on('data', (bytes) => {
      for (const frame of read(bytes)) {
        if (frame.command === 'open') socket.write(relpFrame(frame.txnr, 'rsp', offer));
        else if (frame.command === 'close') socket.end(relpFrame(frame.txnr, 'rsp', ''));
        else {
          const seq = seqOf(frame.data);
          got.push(seq);
          const answer = answers(frame, seq, socket);
          if (answer !== undefined && !socket.destroyed) socket.write(relpFrame(frame.txnr, 'rsp', answer));
        }
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { got, port: (server.address() as { port: number }).port };
};

const senderTo = (port: number, more: Partial<SyslogConfig> = {}): Sender => {
  const sender = syslogSender({ protocol: 'relp', host: '127.0.0.1', port, grace_ms: 100, ...more }, { dial: openDial });
  ends.push(sender.close);
  return sender;
};

const send = (sender: Sender, from: number, to: number): Promise<Sent> => sender.send(hostileBatch(from, to), never);

describe('over RELP', () => {
  it('a message that the server refuses is told of with its answer, and the others are accepted', async () => {
    const { port } = await relpServer((_frame, seq) => (seq === 2 || seq === 4 ? `500 not ${seq}` : '200 OK'));
    expect(await send(senderTo(port), 1, 5)).toEqual({
      outcome: 'accepted',
      refused: [
        { index: 1, reason: '500 not 2' },
        { index: 3, reason: '500 not 4' },
      ],
    });
  });

  it('a server that refuses everything from the start gets all of it again, and none of it is set aside', async () => {
    const { port } = await relpServer(() => '500 no room');
    expect(await send(senderTo(port), 1, 3)).toEqual({ outcome: 'again', reason: expect.stringContaining('refuses every message: 500 no room') as string });
  });

  it('one message alone that is refused is set aside where others were accepted before', async () => {
    const { port } = await relpServer((_frame, seq) => (seq === 2 ? '500 bad' : '200 OK'));
    const sender = senderTo(port);
    expect(await send(sender, 1, 1)).toEqual({ outcome: 'accepted' });
    expect(await send(sender, 2, 2)).toEqual({ outcome: 'accepted', refused: [{ index: 0, reason: '500 bad' }] });
  });

  it('what was acknowledged before a break is not asked for again: the answer says from where', async () => {
    let lives = 0;
    const { port } = await relpServer((_frame, seq, socket) => {
      if (seq === 4 && lives === 0) {
        lives += 1;
        socket.destroy();
        return undefined;
      }
      return '200 OK';
    });
    const sender = senderTo(port, { window: 1 });
    expect(await send(sender, 1, 6)).toMatchObject({ outcome: 'again', from: 3 });
    expect(await send(sender, 4, 6)).toEqual({ outcome: 'accepted' });
  });

  it('at most the window is without an answer, and answers may come in any order', async () => {
    const open: { frame: RelpFrame; socket: Socket }[] = [];
    let most = 0;
    const { port, got } = await relpServer((frame, _seq, socket) => {
      open.push({ frame, socket });
      most = Math.max(most, open.length);
      return undefined;
    });
    const answering = setInterval(() => {
      for (const { frame, socket } of open.splice(0).reverse()) socket.write(relpFrame(frame.txnr, 'rsp', '200 OK'));
    }, 5);
    expect(await send(senderTo(port, { window: 7 }), 1, 100)).toEqual({ outcome: 'accepted' });
    clearInterval(answering);
    expect(most).toBe(7);
    expect(got).toEqual(Array.from({ length: 100 }, (_, n) => n + 1));
  });

  it('a server that closes in order has what it acknowledged; one that vanishes gets it again', async () => {
    for (const isOrderly of [true, false]) {
      let socketOf: Socket | undefined;
      const { port, got } = await relpServer((_frame, _seq, socket) => {
        socketOf = socket;
        return '200 OK';
      });
      const sender = senderTo(port);
      expect(await send(sender, 1, 2)).toEqual({ outcome: 'accepted' });
      if (isOrderly) socketOf?.end(relpFrame(0, 'serverclose', ''));
      else socketOf?.destroy();
      await sleep(50);
      expect(await send(sender, 3, 3)).toEqual({ outcome: 'accepted' });
      expect(got).toEqual(isOrderly ? [1, 2, 3] : [1, 2, 1, 2, 3]);
    }
  });

  it('a server that takes no syslog stops the feed with a sentence, one that takes no session just now is asked again', async () => {
    const none = await relpServer(() => '200 OK', '200 OK\nrelp_version=0\ncommands=other');
    expect(await send(senderTo(none.port), 1, 1)).toEqual({
      outcome: 'stopped',
      reason: `127.0.0.1:${none.port} speaks RELP, but takes no syslog: it offers other.`,
    });
    const refusing = await relpServer(() => '200 OK', '500 too many sessions');
    expect(await send(senderTo(refusing.port), 1, 1)).toEqual({
      outcome: 'again',
      reason: `127.0.0.1:${refusing.port} refused the RELP session: 500 too many sessions.`,
    });
  });

  it('batches that are handed over before the last one was answered keep their order, and come back together where the connection breaks', async () => {
    let breaks = 1;
    const { port, got } = await relpServer((_frame, seq, socket) => {
      if (seq === 3 && breaks > 0) {
        breaks -= 1;
        socket.destroy();
        return undefined;
      }
      return '200 OK';
    });
    const sender = senderTo(port, { overlap: { ms: 0, bytes: 0 }, window: 1 });
    const all = await Promise.all([send(sender, 1, 2), send(sender, 3, 4), send(sender, 5, 6)]);
    expect(all.map(({ outcome }) => outcome)).toEqual(['accepted', 'again', 'again']);
    expect(await Promise.all([send(sender, 3, 4), send(sender, 5, 6)])).toEqual([{ outcome: 'accepted' }, { outcome: 'accepted' }]);
    expect(got).toEqual([1, 2, 3, 3, 4, 5, 6]);
  });
});
