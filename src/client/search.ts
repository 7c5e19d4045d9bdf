import { VerdictError } from './types.js';

export type Page<T> = { readonly results: readonly T[] /** Leads to the next page; undefined: there is none. */; readonly next: string | undefined };

/** Reads page after page as it is asked for more (AuthZEN 1.0, section 8.2). A token that leads back to itself ends in an error. */
export async function* pagesOf<T>(read: (token: string | undefined) => Promise<Page<T>>): AsyncGenerator<T, void, undefined> {
  let token: string | undefined;
  do {
    const page = await read(token);
    yield* page.results;
    if (page.next !== undefined && page.next === token) throw new VerdictError('client.answer', 'The next page of the search is this page again.');
    token = page.next;
  } while (token !== undefined);
}
