/** What an OpenSSH public key is, or why it is none. `bits` are those of RSA's modulus, DSA's p, or the curve. */
export type SshKey =
  | { readonly valid: true; readonly type: string; readonly kind: SshKind; readonly bits: number }
  | { readonly valid: false; readonly message: string };

export type SshKind = 'rsa' | 'dsa' | 'ecdsa' | 'ed25519' | 'ed448' | 'sk-ecdsa' | 'sk-ed25519';

/** Thrown and caught in here: one sentence that says what is wrong with the key. */
class Malformed extends Error {}

const fail = (message: string): never => {
  throw new Malformed(message);
};

/** The longest line that is read: an RSA key of 16,384 bits has under 3,000 characters. */
const MAX_LINE = 16_384;

/** Curves by the name or the object identifier that RFC 5656 (section 10.1) gives them, with their size in bits. */
const CURVES: { readonly [name: string]: number } = {
  nistp256: 256,
  nistp384: 384,
  nistp521: 521,
  '1.3.132.0.1': 163,
  '1.2.840.10045.3.1.1': 192,
  '1.3.132.0.33': 224,
  '1.3.132.0.26': 233,
  '1.3.132.0.27': 233,
  '1.3.132.0.16': 283,
  '1.3.132.0.36': 409,
  '1.3.132.0.37': 409,
  '1.3.132.0.38': 571,
};

type Reader = { readonly string: (what: string) => Buffer; readonly isAtEnd: () => boolean };

/** Reads the length-prefixed fields of a key's wire format (RFC 4251, section 5). */
const readerOf = (blob: Buffer): Reader => {
  let at = 0;
  return {
    string: (what) => {
      if (blob.length - at < 4) fail(`It ends before its ${what}.`);
      const end = at + 4 + blob.readUInt32BE(at);
      if (end > blob.length) fail(`Its ${what} is longer than the key.`);
      const field = blob.subarray(at + 4, end);
      at = end;
      return field;
    },
    isAtEnd: () => at === blob.length,
  };
};

/** The size of a positive whole number (an mpint, RFC 4251, section 5) in bits. */
const bitsOf = (mpint: Buffer, what: string): number => {
  const [first = 0, second = 0] = mpint;
  if (mpint.length === 0 || first >= 0x80 || (first === 0 && second < 0x80)) fail(`Its ${what} is not a positive number in its shortest form.`);
  const digits = first === 0 ? mpint.subarray(1) : mpint;
  return digits.length * 8 - Math.clz32(digits[0] as number) + 24;
};

const isOdd = (mpint: Buffer): boolean => ((mpint.at(-1) as number) & 1) === 1;

const rsa = (fields: Reader): number => {
  const exponent = fields.string('exponent');
  const modulus = fields.string('modulus');
  const bits = bitsOf(modulus, 'modulus');
  if (bitsOf(exponent, 'exponent') < 2 || !isOdd(exponent) || !isOdd(modulus)) fail('Its exponent and modulus can not be those of an RSA key.');
  return bits;
};

const dsa = (fields: Reader): number => {
  const [bits] = ['p', 'q', 'g', 'y'].map((name) => bitsOf(fields.string(name), name));
  return bits as number;
};

/** A point on the curve that the type names, uncompressed or compressed (RFC 5656, section 3.1). */
const curve = (fields: Reader, type: string): number => {
  const name = fields.string('curve').toString('latin1');
  if (!type.split('@')[0]?.endsWith(`ecdsa-sha2-${name}`)) fail('Its curve is not the one that its type names.');
  const bits = Object.hasOwn(CURVES, name) ? (CURVES[name] as number) : fail('Its curve is not one that RFC 5656 names.');
  const point = fields.string('point');
  const length = Math.ceil(bits / 8);
  const isWhole = (point[0] === 4 && point.length === 1 + 2 * length) || ((point[0] === 2 || point[0] === 3) && point.length === 1 + length);
  return isWhole ? bits : fail('Its point has not the length that its curve takes.');
};

const edwards =
  (length: number, bits: number) =>
  (fields: Reader): number =>
    fields.string('public key').length === length ? bits : fail(`Its public key is not ${length} bytes long.`);

/** A key on a security key goes on with the name of its application (OpenSSH's PROTOCOL.u2f). */
const onSecurityKey =
  (read: (fields: Reader, type: string) => number) =>
  (fields: Reader, type: string): number => {
    const bits = read(fields, type);
    fields.string('application');
    return bits;
  };

type Form = { readonly kind: SshKind; readonly read: (fields: Reader, type: string) => number };

const FORMS: { readonly [type: string]: Form } = {
  'ssh-rsa': { kind: 'rsa', read: rsa },
  'ssh-dss': { kind: 'dsa', read: dsa },
  'ssh-ed25519': { kind: 'ed25519', read: edwards(32, 256) },
  'ssh-ed448': { kind: 'ed448', read: edwards(57, 448) },
  'sk-ssh-ed25519@openssh.com': { kind: 'sk-ed25519', read: onSecurityKey(edwards(32, 256)) },
  'sk-ecdsa-sha2-nistp256@openssh.com': { kind: 'sk-ecdsa', read: onSecurityKey(curve) },
};
const ECDSA: Form = { kind: 'ecdsa', read: curve };

const formOf = (type: string): Form => {
  if (Object.hasOwn(FORMS, type)) return FORMS[type] as Form;
  if (/^ecdsa-sha2-[0-9a-z.]+$/.test(type)) return ECDSA;
  if (type.includes('-cert-v0')) return fail('It is a certificate, not a public key.');
  return fail(`Its type is not one that is known: ${Object.keys(FORMS).join(', ')}, ecdsa-sha2-….`);
};

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const parse = (line: string): SshKey => {
  if (/PRIVATE KEY/.test(line)) fail('It is a private key: send the public one, and make a new pair, for this one has been shown.');
  const [type = '', encoded = ''] = line.split(/[ \t]+/, 2);
  const form = formOf(type);
  if (encoded === '' || !BASE64.test(encoded)) fail(`After ${type} there is no base64.`);
  const fields = readerOf(Buffer.from(encoded, 'base64'));
  if (fields.string('type').toString('latin1') !== type) fail(`It says ${type}, but the key inside is of another type.`);
  const bits = form.read(fields, type);
  return fields.isAtEnd() ? { valid: true, type, kind: form.kind, bits } : fail('It goes on after its last field.');
};

/**
 * Reads one line `type base64 [comment]`, from the key's wire format: RFC 4253 (section 6.6), RFC 5656 (section 3.1),
 * RFC 8709 (section 4), and OpenSSH's keys on security keys. The line itself is in no message.
 */
export const sshKeyOf = (value: unknown): SshKey => {
  if (typeof value !== 'string') return { valid: false, message: 'It is not text: one line "type base64 comment" is expected.' };
  const line = value.trim();
  if (line.length > MAX_LINE) return { valid: false, message: `It is longer than ${MAX_LINE} characters.` };
  if (/[\r\n]/.test(line) && !line.includes('PRIVATE KEY')) return { valid: false, message: 'It is more than one line.' };
  try {
    return parse(line);
  } catch (error) {
    if (error instanceof Malformed) return { valid: false, message: error.message };
    throw error;
  }
};
