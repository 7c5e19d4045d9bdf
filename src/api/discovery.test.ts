import { describe, expect, it } from 'vitest';
import type { Ask } from './contract.js';
import { discoveryRoutes } from './discovery.js';

const routesOf = (publicUrl: string) => discoveryRoutes({ publicUrl, version: '0.0.0' });
const metadataOf = async (publicUrl: string, origin = 'http://10.0.0.7:8088') => {
  const [first] = routesOf(publicUrl);
  const answer = await first?.handle({ origin } as Ask);
  return answer?.kind === 'json' ? { value: answer.value, headers: answer.headers } : undefined;
};
const all = (base: string) => ({
  policy_decision_point: base,
  access_evaluation_endpoint: `${base}/access/v1/evaluation`,
  access_evaluations_endpoint: `${base}/access/v1/evaluations`,
  search_subject_endpoint: `${base}/access/v1/search/subject`,
  search_resource_endpoint: `${base}/access/v1/search/resource`,
  search_action_endpoint: `${base}/access/v1/search/action`,
});

describe('AuthZEN’s metadata', () => {
  it('names the public address, and may be kept by caches', async () => {
    expect(await metadataOf('https://pdp.example.com')).toEqual({
      value: all('https://pdp.example.com'),
      headers: { 'cache-control': 'public, max-age=3600' },
    });
    expect((await metadataOf('https://pdp.example.com/'))?.value).toEqual(all('https://pdp.example.com'));
    expect((await metadataOf('https://example.com:8443/verdict/'))?.value).toEqual(all('https://example.com:8443/verdict'));
  });

  it('names the address that was asked where none is configured, and is kept by nobody', async () => {
    expect(await metadataOf('')).toEqual({ value: all('http://10.0.0.7:8088'), headers: undefined });
  });

  it('of an address with a path stands where a client of that address looks for it too', () => {
    const paths = (publicUrl: string) => routesOf(publicUrl).map(({ contract }) => contract.path);
    expect(paths('')).toEqual(['/.well-known/authzen-configuration']);
    expect(paths('https://example.com/')).toEqual(['/.well-known/authzen-configuration']);
    expect(paths('https://example.com/teams/verdict')).toEqual(['/.well-known/authzen-configuration', '/.well-known/authzen-configuration/teams/verdict']);
    // What would be a pattern to the router is not taken for a path.
    expect(paths('https://example.com/:any')).toHaveLength(1);
  });
});
