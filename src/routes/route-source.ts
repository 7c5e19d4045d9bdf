import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parse } from 'yaml';
import { isUrl } from '../config.js';
import type { Json } from '../event/index.js';
import { readRoutes, routesFromOpenApi } from './load.js';
import { RoutesError, type RouteTable } from './types.js';

export type RouteSource = {
  /** `routes.file`: a file, or the URL of the upstream's OpenAPI document. */
  readonly place: string;
  /** The folder where a document that was fetched is kept: a worker that starts while the upstream is away takes that. */
  readonly folder: string;
  readonly warn: (sentence: string) => void;
  /** Between two attempts to fetch it. */
  readonly pauseMs?: number;
};

const FETCH_MS = 5_000;
const MOST_BYTES = 8 * 1024 * 1024;
const ATTEMPTS = 5;
const PAUSE_MS = 1_000;

const fetchOnce = async (url: string): Promise<string> => {
  const answer = await fetch(url, { signal: AbortSignal.timeout(FETCH_MS), headers: { accept: 'application/json, application/yaml' } });
  if (!answer.ok) throw new Error(`it was answered ${answer.status}`);
  const text = await answer.text();
  if (text.length > MOST_BYTES) throw new Error(`it has over ${MOST_BYTES} characters`);
  return text;
};

const fetched = async (url: string, pauseMs: number): Promise<string> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fetchOnce(url);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await pause(pauseMs);
    }
  }
};

const tableOf = (text: string, url: string): RouteTable => {
  let document: Json;
  try {
    document = parse(text) as Json;
  } catch {
    throw new RoutesError(`The OpenAPI document ${url} (routes.file) is neither JSON nor YAML.`);
  }
  return routesFromOpenApi(document, url);
};

/** Of another address another document: what one upstream said is no table for the next. */
const keptIn = (folder: string, url: string): string => join(folder, `routes-${createHash('sha256').update(url).digest('hex').slice(0, 16)}.openapi`);

/**
 * The route table that a node starts with, for its gateway and for the proxies that ask it. Rejects with RoutesError where
 * there is none: a node without a table would deny everything, and one with half a table would be worse.
 */
export const routeTable = async ({ place, folder, warn, pauseMs = PAUSE_MS }: RouteSource): Promise<RouteTable> => {
  if (!isUrl(place)) return readRoutes(place);
  const kept = keptIn(folder, place);
  let text: string;
  try {
    text = await fetched(place, pauseMs);
  } catch (error) {
    const why = (error as Error & { readonly cause?: Error }).cause?.message ?? (error as Error).message;
    try {
      const table = tableOf(readFileSync(kept, 'utf8'), place);
      warn(`The OpenAPI document ${place} (routes.file) can't be had (${why}); the routes are those of the last time.`);
      return table;
    } catch {
      throw new RoutesError(`The OpenAPI document ${place} (routes.file) can't be had: ${why}.`);
    }
  }
  const table = tableOf(text, place);
  // Several workers keep it at the same time: each whole, or not at all.
  const draft = `${kept}.${process.pid}`;
  writeFileSync(draft, text, { mode: 0o600 });
  renameSync(draft, kept);
  return table;
};
