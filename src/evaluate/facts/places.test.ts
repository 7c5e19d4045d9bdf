import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../event/index.js';
import type { Entity } from '../directory/types.js';
import type { Question } from '../question.js';
import { placesOf, tagsIn, targetRegionsOf } from './places.js';

const known = (properties: JsonObject): Entity => ({ type: 'instance', id: 'inst-1', properties, version: 1, updated: '2026-11-22T04:03:48.496Z' });

describe('Tags', () => {
  it('are texts, or an object’s keys with their values', () => {
    expect(tagsIn(['team-blue', '', 7, null, 'web'])).toEqual(['team-blue', 'web']);
    expect(tagsIn({ team: 'blue', tier: 2, odd: { x: 1 }, none: null })).toEqual(['team:blue', 'tier:2']);
    for (const value of ['team-blue', 7, null, undefined]) expect(tagsIn(value)).toEqual([]);
  });

  it('are the directory’s where it knows the resource, whatever the question says', () => {
    const asked = { tags: ['team-red'], region: 'lagos-1' };
    const blue = { tags: ['team-blue'], directory_tags: ['team-blue'], region: 'london-1' };
    expect(placesOf(asked, known({ tags: ['team-blue'], region: 'london-1' }))).toEqual(blue);
    expect(placesOf(asked, known({}))).toEqual({});
    expect(placesOf(asked, undefined)).toEqual({ tags: ['team-red'], region: 'lagos-1' });
    expect(placesOf(undefined, undefined)).toEqual({});
  });
});

describe('Where an action puts data', () => {
  const question = (resource: JsonObject, action: JsonObject, context: JsonObject): Question => ({
    subject: { type: 'user', id: 'u' },
    action: { name: 'snapshot.copy', properties: action },
    resource: { type: 'snapshot', id: 's', properties: resource },
    context,
  });

  it('is every region that the question names, once', () => {
    const regions = targetRegionsOf(
      question({ region: 'lagos-1' }, { target_region: 'london-1', replica_regions: ['lagos-1', 'x', 7] }, { destination_region: 'y' }),
    );
    expect(regions).toEqual(['london-1', 'lagos-1', 'x', 'what is no region', 'y']);
    expect(targetRegionsOf(question({}, { region: '' }, {}))).toEqual(['what is no region']);
    expect(targetRegionsOf(question({}, { region: null }, {}))).toBeUndefined();
    expect(targetRegionsOf({ subject: { type: 'u', id: 'u' }, action: { name: 'a' }, resource: { type: 'r', id: 'r' } })).toBeUndefined();
  });
});
