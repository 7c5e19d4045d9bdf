type Question = { readonly subject: object; readonly action: object; readonly resource: object };

const without = (object: object, name: string): object => Object.fromEntries(Object.entries(object).filter(([key]) => key !== name));

/** Questions with a required field that is missing or of the wrong type (AuthZEN 1.0, sections 5 and 10.1.1). */
export const badQuestions = (good: Question): readonly (readonly [string, unknown])[] => [
  ['no subject', without(good, 'subject')],
  ['no action', without(good, 'action')],
  ['no resource', without(good, 'resource')],
  ['a subject without a type', { ...good, subject: without(good.subject, 'type') }],
  ['a subject without an id', { ...good, subject: without(good.subject, 'id') }],
  ['an action without a name', { ...good, action: {} }],
  ['a resource without a type', { ...good, resource: without(good.resource, 'type') }],
  ['a resource without an id', { ...good, resource: without(good.resource, 'id') }],
  ['a subject that is text', { ...good, subject: 'alice' }],
  ['a subject that is a list', { ...good, subject: [] }],
  ['a subject that is null', { ...good, subject: null }],
  ['a subject whose id is a number', { ...good, subject: { ...good.subject, id: 7 } }],
  ['an action whose name is a number', { ...good, action: { name: 123 } }],
  ['a resource whose type is an object', { ...good, resource: { ...good.resource, type: {} } }],
  ['properties that are a list', { ...good, subject: { ...good.subject, properties: [] } }],
  ['a context that is text', { ...good, context: 'now' }],
  ['an empty object', {}],
  ['a list', [good]],
  ['text', 'alice'],
  ['a number', 7],
  ['null', null],
];

/** Bodies that are no JSON, and types that are not JSON's: where there is no body, a good one is sent. */
export const badBodies: readonly (readonly [string, string | undefined, Readonly<Record<string, string>>])[] = [
  ['an empty body', '', {}],
  ['spaces', '  \n', {}],
  ['half an object', '{"subject": {"type":', {}],
  ['two objects', '{}{}', {}],
  ['text that is no JSON', 'hello', {}],
  ['another Content-Type', undefined, { 'content-type': 'text/plain' }],
  ['a form’s Content-Type', undefined, { 'content-type': 'application/x-www-form-urlencoded' }],
  ['a Content-Type that only resembles it', undefined, { 'content-type': 'application/json-patch+json' }],
  ['no Content-Type', undefined, { 'content-type': '' }],
];
