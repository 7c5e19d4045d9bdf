import { version } from '../../version.js';

let known: string | undefined;

/** How the formats that ask for it name this product. */
export const PRODUCT = {
  vendor: 'Verdict',
  name: 'Verdict',
  version: (): string => (known ??= version()),
} as const;
