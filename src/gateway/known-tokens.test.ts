import { describe, expect, it } from 'vitest';
import type { Identified } from '../routes/index.js';
import { knownTokens } from './known-tokens.js';

const rig = (answer: () => Identified, authorization = 'Bearer x') => {
  let generation = 1;
  let asked = 0;
  const identify = knownTokens(
    async () => {
      asked += 1;
      return answer();
    },
    { generation: () => generation },
  );
  return { ask: () => identify({ authorization }, 0), asked: () => asked, change: () => (generation += 1) };
};

describe('who a token is', () => {
  const token: Identified = { ok: true, user: { subject: { type: 'token', id: 'tok-1' }, token: 'tok-1' } };

  it('is known until the directory changes', async () => {
    let answer: Identified = token;
    const { ask, asked, change } = rig(() => answer);
    expect([await ask(), await ask(), asked()]).toEqual([token, token, 1]);
    answer = { ok: false, code: 'credential.invalid', message: 'Gone.' };
    change();
    expect(await ask()).toEqual(answer);
    expect(asked()).toBe(2);
  });

  it('is asked for each time where it is a JWT’s, or nobody’s', async () => {
    for (const answer of [
      { ok: true, user: { subject: { type: 'user', id: 'usr-1' } } },
      { ok: false, code: 'credential.invalid', message: 'No.' },
    ] as const) {
      const { ask, asked } = rig(() => answer);
      await ask();
      await ask();
      expect(asked()).toBe(2);
    }
  });

  it('is asked for each time where it is a JWT’s whose subjects are called tokens, for that ends by itself', async () => {
    const { ask, asked } = rig(() => token, 'Bearer e30.e30.c2ln');
    await ask();
    await ask();
    expect(asked()).toBe(2);
  });
});
