// @ts-check
/** Something that the caller must hear: a status and a sentence. */
export class Refused extends Error {
  constructor(/** @type {import('hono/utils/http-status').ContentfulStatusCode} */ status, /** @type {string} */ message) {
    super(message);
    this.status = status;
  }
}

/** The asking account and user. The gateway says who asks; nothing is checked here. */
export const asker = (/** @type {import('hono').Context} */ c, /** @type {ReturnType<typeof import('./state.mjs').openState>} */ state) => {
  const account = c.req.header('x-verdict-account');
  const subject = c.req.header('x-verdict-subject-id') ?? '';
  if (!account) throw new Refused(400, 'This platform is asked through its gateway, which says on whose behalf.');
  return { account, user: state.get('tokens', subject)?.owner ?? subject };
};

/** The body as an object. */
export const bodyOf = async (/** @type {import('hono').Context} */ c) => {
  const body = await c.req.json().catch(() => undefined);
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new Refused(400, 'The body must be a JSON object.');
  return body;
};

/** A text of the body, or the fallback. */
export const textOf = (/** @type {any} */ value, /** @type {string} */ name, /** @type {string | undefined} */ fallback = undefined) => {
  if (value === undefined && fallback !== undefined) return fallback;
  if (typeof value !== 'string' || value === '' || value.length > 255) throw new Refused(400, `"${name}" must be a text of 1 to 255 characters.`);
  return value;
};

/** A thing that the account has; what it hasn't doesn't exist for it. */
export const found = (/** @type {ReturnType<typeof import('./state.mjs').openState>} */ state, /** @type {string} */ kind, /** @type {string} */ id) => {
  const thing = state.get(kind, id);
  if (!thing) throw new Refused(404, `There is no ${id} among the ${kind.replace('_', ' ')}.`);
  return thing;
};
