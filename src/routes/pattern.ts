import type { Route, Segment } from './types.js';

const PARAM = /^\{([A-Za-z_][A-Za-z0-9_]*)(\.\.\.)?\}$/;

/** A path template's segments; a string is what is wrong with it. */
export const segmentsOf = (path: string): readonly Segment[] | string => {
  if (!path.startsWith('/')) return `"${path}" must begin with a slash`;
  const texts = path.slice(1).split('/');
  const segments: Segment[] = [];
  const names = new Set<string>();
  for (const [index, text] of texts.entries()) {
    const found = PARAM.exec(text);
    if (!found && /[{}]/.test(text)) return `"${text}" in "${path}" is neither a literal nor one {name}`;
    if (!found && text === '' && texts.length > 1 && index < texts.length - 1) return `"${path}" has an empty segment`;
    if (!found) {
      segments.push({ kind: 'literal', text });
      continue;
    }
    const [, name, rest] = found as unknown as [string, string, string | undefined];
    if (names.has(name)) return `"${path}" has {${name}} twice`;
    if (rest && index < texts.length - 1) return `{${name}...} in "${path}" must be the last segment`;
    names.add(name);
    segments.push({ kind: rest ? 'rest' : 'param', name });
  }
  return segments;
};

/** The params of a path that the segments match; undefined where they don't. A param is never empty. */
export const paramsOf = (segments: readonly Segment[], path: readonly string[]): { readonly [name: string]: string } | undefined => {
  const params: Record<string, string> = {};
  for (const [index, segment] of segments.entries()) {
    const text = path[index];
    if (segment.kind === 'rest') {
      if (index >= path.length || path.slice(index).some((one) => one === '')) return undefined;
      params[segment.name] = path.slice(index).join('/');
      return params;
    }
    if (text === undefined) return undefined;
    if (segment.kind === 'literal' ? segment.text !== text : text === '') return undefined;
    if (segment.kind === 'param') params[segment.name] = text;
  }
  return segments.length === path.length ? params : undefined;
};

const RANK = { literal: 0, param: 1, rest: 2 } as const;

/** Which of two routes is asked first: a literal before a parameter, segment by segment from the left, a rest last. */
export const precedence = (left: Route, right: Route): number => {
  for (let index = 0; ; index += 1) {
    const [one, other] = [left.segments[index], right.segments[index]];
    if (!one || !other) return (one ? 1 : 0) - (other ? 1 : 0);
    const difference = RANK[one.kind] - RANK[other.kind];
    if (difference !== 0) return difference;
  }
};

/** The same requests, whatever their parameters are called. */
export const shapeOf = (route: Route): string => route.segments.map((segment) => (segment.kind === 'literal' ? `=${segment.text}` : segment.kind)).join('/');
