import { OPAClient } from '@open-policy-agent/opa';

/** OPA's own client, pointed at Verdict: the address and the key are all that changes. */
const opa = new OPAClient(process.env['VERDICT_URL'] ?? 'http://127.0.0.1:8088', {
  headers: { authorization: `Bearer ${process.env['VERDICT_API_KEY'] ?? ''}` },
});

type Answer = { readonly allow: boolean; readonly reasons: readonly { readonly code: string; readonly message: string }[] };

export const mayDelete = (user: string, id: string): Promise<Answer> =>
  opa.evaluate('verdict/decision', {
    subject: { type: 'user', id: user },
    action: { name: 'instance.delete' },
    resource: { type: 'instance', id },
  });
