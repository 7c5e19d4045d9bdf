import { SDK_BUILTINS } from './opa-wasm.js';

/** OPA's builtins that `opa build -t wasm` compiles into the module (OPA 1.10, internal/compiler/wasm). */
const COMPILED = `
  abs all and any array.concat array.reverse array.slice base64.decode base64.encode base64.is_valid base64url.decode base64url.encode
  bits.and bits.lsh bits.negate bits.or bits.rsh bits.xor ceil concat contains count div endswith equal floor format_int glob.match
  graph.reachable gt gte indexof internal.member_2 internal.member_3 intersection is_array is_boolean is_null is_number is_object is_set
  is_string json.filter json.is_valid json.marshal json.remove json.unmarshal lower lt lte max min minus mul neq net.cidr_contains
  net.cidr_intersects net.cidr_overlap numbers.range object.filter object.get object.keys object.remove object.union object.union_n or plus
  product re_match regex.find_all_string_submatch_n regex.is_valid regex.match rem replace round set_diff sort split startswith strings.replace_n
  strings.reverse substring sum to_number trim trim_left trim_prefix trim_right trim_space trim_suffix type_name union upper walk
`;

/** Those that the compiler has done with before a module is made. */
const COMPILED_AWAY = 'assign eq internal.print internal.test_case print rego.metadata.chain rego.metadata.rule';

/** The builtins that a bundle for Verdict may call. */
export const ALLOWED_BUILTINS: ReadonlySet<string> = new Set([...COMPILED.trim().split(/\s+/), ...COMPILED_AWAY.split(' '), ...SDK_BUILTINS]);
