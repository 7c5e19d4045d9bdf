import { describe, expect, it } from 'vitest';
import { opaTarget } from './target.js';

const data = (path: string) => ({ kind: 'data', path });

describe("an address of OPA's", () => {
  it.each([
    ['POST', '/v1/data/app/authz/allow', data('app/authz/allow')],
    ['GET', '/v1/data/app?input=%7B%7D', data('app')],
    ['POST', '/v1/data', data('/')],
    ['POST', '/v1/data/', data('/')],
    ['POST', '/v1/data/a%20b/%C3%A4', data('a b/ä')],
    ['POST', '/v1/data/app%2Fauthz', data('app%2Fauthz')],
    ['POST', '/v1/data/../v1/keys', data('../v1/keys')],
    ['POST', '/v1/batch/data/app/authz', { kind: 'batch', path: 'app/authz' }],
    ['POST', '/', { kind: 'default' }],
    ['POST', '/?pretty=true', { kind: 'default' }],
    ['GET', '/health', { kind: 'health' }],
    ['GET', '/health?bundles', { kind: 'health' }],
  ])('%s %s is read', (method, target, read) => {
    expect(opaTarget(method, target)).toMatchObject(read);
  });

  it('keeps its parameters', () => {
    const read = opaTarget('GET', '/v1/data/app?input=%7B%7D&pretty=true');
    expect(read?.kind === 'data' && [read.query?.get('input'), read.query?.get('pretty')]).toEqual(['{}', 'true']);
  });

  it.each([
    ['POST', '/v1/data/app//authz', 400],
    ['POST', '/v1/data/app/', 400],
    ['POST', '/v1/data/%zz', 400],
    ['POST', '/v1/data/%ff', 400],
    ['POST', '/v1/data/%00', 400],
    ['POST', '/v1/data/a%0ab', 400],
    ['POST', `/v1/data/${'x'.repeat(257)}`, 400],
    ['PUT', '/v1/data/app', 405],
    ['DELETE', '/v1/data', 405],
    ['GET', '/v1/batch/data/app', 405],
    ['HEAD', '/health', 405],
  ])('%s %s is refused', (method, target, status) => {
    expect(opaTarget(method, target)).toMatchObject({ kind: 'refused', status });
  });

  it.each([
    ['GET', '/'],
    ['POST', '/v1/database'],
    ['POST', '/v1/datafile/x'],
    ['POST', '/v1/batch'],
    ['POST', '/v1/batch/database'],
    ['GET', '/healthz'],
    ['GET', '/health/live'],
    ['POST', '/access/v1/evaluation'],
    ['POST', '//v1/data/app'],
    ['POST', 'http://elsewhere/v1/data/app'],
    ['OPTIONS', '*'],
  ])('%s %s is none', (method, target) => {
    expect(opaTarget(method, target)).toBeUndefined();
  });
});
