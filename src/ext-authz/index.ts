export { type Authorize, authorizer } from './authorize.js';
export { type Front, type GrpcFrontConfig, grpcFront } from './grpc.js';
export { extAuthzFront } from './http.js';
