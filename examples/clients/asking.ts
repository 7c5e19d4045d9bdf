import { type Decision, verdictClient } from 'verdict/client';

/** One client for the whole process: it keeps its connections. */
const verdict = verdictClient({
  url: process.env['VERDICT_URL'] ?? 'http://127.0.0.1:8088',
  token: process.env['VERDICT_API_KEY'] ?? '',
  timeoutMs: 500,
});

/** Deletes a server if its owner may, and says afterwards what became of it. */
export const deleteInstance = async (user: string, id: string, destroy: (id: string) => Promise<void>): Promise<Decision> => {
  const decision = await verdict.evaluate({
    subject: { type: 'user', id: user },
    action: { name: 'instance.delete' },
    resource: { type: 'instance', id },
  });
  // A time-out, or a Verdict that is away, is a deny as well: decision.reasons says so.
  if (!decision.decision) return decision;
  await destroy(id);
  await verdict.recordEvents([
    {
      actor: { type: 'user', id: user },
      action: 'instance.delete',
      resource: { type: 'instance', id },
      result: 'success',
      ...(decision.id !== undefined && { caused_by: decision.id }),
    },
  ]);
  return decision;
};

/** Which buttons to show: several questions in one request. */
export const buttonsFor = async (user: string, id: string): Promise<readonly string[]> => {
  const actions = ['instance.start', 'instance.stop', 'instance.resize', 'instance.delete'];
  const decisions = await verdict.evaluations({
    subject: { type: 'user', id: user },
    resource: { type: 'instance', id },
    evaluations: actions.map((name) => ({ action: { name } })),
  });
  return actions.filter((_, index) => decisions[index]?.decision);
};

/** Every server that a person may see, page by page. */
export const visibleInstances = async (user: string): Promise<readonly string[]> => {
  const ids: string[] = [];
  const search = { subject: { type: 'user', id: user }, action: { name: 'instance.get' }, resource: { type: 'instance' } };
  for await (const { id } of verdict.search.resources(search)) ids.push(id);
  return ids;
};
