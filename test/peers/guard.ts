import { loadGuard } from '../../src/evaluate/guard.js';

/** Verdict's own policy, as a node has it. */
export const guard = await loadGuard();
