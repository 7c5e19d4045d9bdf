import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { GrpcObject, MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** Envoy's own definition (envoy/service/auth/v3/external_auth.proto), as far as it is read here. Every field may be missing. */
export type HttpRequest = {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: { readonly [name: string]: string };
  readonly header_map?: { readonly headers?: readonly { readonly key?: string; readonly value?: string; readonly raw_value?: Uint8Array }[] };
  readonly body?: string;
  readonly raw_body?: Uint8Array;
};

export type CheckRequest = {
  readonly attributes?: {
    readonly source?: { readonly address?: { readonly socket_address?: { readonly address?: string } } };
    readonly request?: { readonly http?: HttpRequest };
  };
};

export type HeaderOption = { readonly header: { readonly key: string; readonly value: string }; readonly append: { readonly value: boolean } };

export type CheckResponse = {
  /** google.rpc.Code. */
  readonly status: { readonly code: number; readonly message?: string };
  readonly ok_response?: { readonly headers: readonly HeaderOption[]; readonly headers_to_remove: readonly string[] };
  readonly denied_response?: { readonly status: { readonly code: number }; readonly headers: readonly HeaderOption[]; readonly body: string };
};

const AUTH = 'envoy/service/auth/v3/external_auth.proto';
const FOLDERS = ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'];

type Check = MethodDefinition<CheckRequest, CheckResponse>;

/** Bytes that are no CheckRequest are one that asks nothing: the library's own answer would be INTERNAL, which a proxy may be set to ignore. */
const lenient = (method: Check): Check => ({
  ...method,
  requestDeserialize: (bytes) => {
    try {
      return method.requestDeserialize(bytes);
    } catch {
      return {};
    }
  },
});

/** `envoy.service.auth.v3.Authorization`, by the proto files that come with @grpc/grpc-js-xds: hand-made field numbers fail without a word. */
export const authorizationService = (): ServiceDefinition & { readonly Check: Check } => {
  const deps = join(dirname(createRequire(import.meta.url).resolve('@grpc/grpc-js-xds/package.json')), 'deps');
  const loaded = loadSync(AUTH, { keepCase: true, longs: Number, enums: Number, includeDirs: FOLDERS.map((folder) => join(deps, folder)) });
  const root = grpc.loadPackageDefinition(loaded) as unknown as {
    readonly envoy: {
      readonly service: { readonly auth: { readonly v3: { readonly Authorization: GrpcObject & { readonly service: { readonly Check: Check } } } } };
    };
  };
  const { Check } = root.envoy.service.auth.v3.Authorization.service;
  return { Check: lenient(Check) };
};
