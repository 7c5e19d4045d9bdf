export { opaContracts } from './contracts.js';
export { type OpaFrontConfig, type OpaFrontDeps, opaFront } from './front.js';
