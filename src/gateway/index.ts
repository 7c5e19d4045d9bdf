export { createGateway, type Gateway, type GatewayParts } from './gateway.js';
export { knownTokens } from './known-tokens.js';
