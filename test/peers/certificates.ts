import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const openssl = (folder: string, ...args: readonly string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });

/** A certificate authority in `folder`, for a day: `<name>.pem` and `<name>-key.pem`. */
export const makeAuthority = (folder: string, name: string): string => {
  openssl(
    folder,
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '1',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    `${name}-key.pem`,
    '-out',
    `${name}.pem`,
  );
  return join(folder, `${name}.pem`);
};

export type CertificateOptions = {
  /** Whom it is for (OpenSSL's subjectAltName); this machine's loopback where it isn't given. */
  readonly names?: string;
  /** It has run out. */
  readonly isExpired?: boolean;
};

/** A certificate signed by an authority of {@link makeAuthority}, for this machine's loopback where `options` don't say otherwise: `cert`, `key`, and both in one file. */
export const makeCertificate = (
  folder: string,
  authority: string,
  name: string,
  { names = 'IP:127.0.0.1,DNS:localhost', isExpired = false }: CertificateOptions = {},
): { readonly cert: string; readonly key: string; readonly both: string } => {
  const [key, request, cert, both, extensions] = ['key', 'request', 'cert', 'both', 'ext'].map((part) => join(folder, `${name}-${part}.pem`)) as [
    string,
    string,
    string,
    string,
    string,
  ];
  writeFileSync(extensions, `subjectAltName=${names}\n`);
  openssl(folder, 'req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`, '-keyout', key, '-out', request);
  openssl(
    folder,
    'x509',
    '-req',
    '-days',
    isExpired ? '-1' : '1',
    '-in',
    request,
    '-CA',
    `${authority}.pem`,
    '-CAkey',
    `${authority}-key.pem`,
    '-CAcreateserial',
    '-extfile',
    extensions,
    '-out',
    cert,
  );
  writeFileSync(both, `${readFileSync(key, 'utf8')}${readFileSync(cert, 'utf8')}`);
  return { cert, key, both };
};
