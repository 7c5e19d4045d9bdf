import { connect, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { found, noGaps, startLoad } from '../peers/load.js';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, temporaryFolder } from '../peers/verdict.js';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const question = JSON.stringify({
  subject: { type: 'user', id: 'usr-1' },
  action: { name: 'instance.get' },
  resource: { type: 'instance', id: 'inst-1', properties: { account: 'acc-1' } },
});

/** A request that has begun: all of it is sent but the last byte of its body. */
const begun = async (node: RunningVerdict): Promise<{ readonly finish: () => Promise<string> }> => {
  const { hostname, port } = new URL(node.url);
  const socket = await new Promise<Socket>((done, failed) => {
    const opened = connect(Number(port), hostname, () => done(opened));
    opened.on('error', failed);
  });
  let answer = '';
  const ended = new Promise<string>((done, failed) => {
    socket.on('data', (part: Buffer) => {
      answer += part.toString();
    });
    socket.on('end', () => done(answer));
    socket.on('error', failed);
  });
  const head = [
    'POST /access/v1/evaluation HTTP/1.1',
    'Host: verdict',
    `Authorization: Bearer ${node.token}`,
    'Content-Type: application/json',
    `Content-Length: ${question.length}`,
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n${question.slice(0, -1)}`);
  return {
    finish: () => {
      socket.write(question.slice(-1));
      return ended;
    },
  };
};

it('Ctrl-C under load: no new request is taken, those that had begun are answered, and a second start finds every one', {
  timeout: 120_000,
}, async () => {
  const folder = temporaryFolder();
  const node = await startVerdict({ folder, env: { VERDICT_LOG_LEVEL: 'error' } });
  const load = startLoad(node);
  const late = await Promise.all(Array.from({ length: 20 }, () => begun(node)));
  await pause(1_000);

  const stopped = node.stop();
  await pause(200);
  const newcomer = clientOf(node);
  await expect(newcomer.call('GET', '/healthz')).rejects.toThrow();
  newcomer.close();
  const answers = await Promise.all(late.map(({ finish }) => finish()));
  expect(await stopped).toBe(0);
  await load.stop();
  expect(load.refused).toEqual(new Map());
  expect(node.output()).not.toContain('did not end in time');

  const ids = answers.map((answer) => {
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 200 /);
    return (JSON.parse(body) as { context: { id: string } }).context.id;
  });
  const second = await startVerdict({ folder, env: { VERDICT_LOG_LEVEL: 'error' } });
  const counts = await found(second, new Set([...load.answered, ...ids]));
  expect([...counts].filter(([, count]) => count !== 1)).toEqual([]);
  await noGaps(second);
  expect(await second.stop()).toBe(0);
  removeFolder(folder);
});
