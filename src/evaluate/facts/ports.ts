import type { Json, JsonObject } from '../../event/index.js';

/** Ports from the first to the last, both included. */
export type Ports = { readonly from: number; readonly to: number };

export const ALL_PORTS: Ports = { from: 1, to: 65_535 };

/** ICMP, ESP and the like have no ports: a rule about them opens none. */
export const NO_PORTS: Ports = { from: 0, to: 0 };

const ALL = /^(?:\*|all|any|-1)$/i;
const RANGE = /^(\d{1,5})(?:\s*(?:-|:|\.\.)\s*(\d{1,5}))?$/;

const checked = (from: number, to: number): Ports | undefined =>
  Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from <= to && to <= 65_535 ? { from, to } : undefined;

const textPorts = (text: string): Ports | undefined => {
  if (text === '' || ALL.test(text)) return ALL_PORTS;
  const [, from, to] = RANGE.exec(text) ?? [];
  return from === undefined ? undefined : checked(Number(from), Number(to ?? from));
};

const isNumeric = (value: Json | undefined): value is number | string => typeof value === 'number' || (typeof value === 'string' && /^-?\d+$/.test(value));

const objectPorts = (value: JsonObject): Ports | undefined => {
  const from = value['from'] ?? value['start'] ?? value['min'];
  const to = value['to'] ?? value['end'] ?? value['max'] ?? from;
  if (!isNumeric(from) || !isNumeric(to)) return undefined;
  return Number(from) === -1 ? ALL_PORTS : checked(Number(from), Number(to));
};

const onePort = (value: Json): readonly (Ports | undefined)[] => {
  if (typeof value === 'number') return [value === -1 ? ALL_PORTS : checked(value, value)];
  if (typeof value === 'string') return value.split(',').map((one) => textPorts(one.trim()));
  return [typeof value === 'object' && value !== null && !Array.isArray(value) ? objectPorts(value as JsonObject) : undefined];
};

/** Ranges that touch or overlap, as one: 1-100 and 101-65535 are all ports. */
export const joined = (ports: readonly Ports[]): readonly Ports[] => {
  const out: Ports[] = [];
  for (const { from, to } of [...ports].sort((left, right) => left.from - right.from)) {
    const last = out.at(-1);
    if (last && from <= last.to + 1) out[out.length - 1] = { from: last.from, to: Math.max(last.to, to) };
    else out.push({ from, to });
  }
  return out;
};

/**
 * The ports that a value names: `22`, `"22"`, `"1-65535"`, `"22,443"`, `"all"`, `"*"`, `{from, to}`, or a list of these.
 * Nothing at all is all ports; undefined for what can't be read.
 */
export const portsOf = (value: Json | undefined): readonly Ports[] | undefined => {
  if (value === undefined || value === null) return [ALL_PORTS];
  const found = (Array.isArray(value) ? (value as readonly Json[]) : [value]).flatMap(onePort);
  return found.every((one) => one !== undefined) ? joined(found) : undefined;
};
