/** A bundle's bytes as its source gave them, and the server's name for them (empty for a file). */
export type Offer = { readonly bytes: Buffer; readonly etag: string };

/** Where bundles come from: a file, or a bundle server. */
export type BundleSource = {
  /** As it may be shown: a path, or a URL without its query. */
  readonly origin: string;
  /** What is there now; undefined where it is what `etag` names. Rejects with an Error, in one sentence, where it can't be had. */
  readonly read: (etag: string, signal?: AbortSignal) => Promise<Offer | undefined>;
  /** Offers what is new from now on; returns how to look at once, and how to stop. */
  readonly follow: (etag: string, deps: FollowDeps) => Following;
};

export type FollowDeps = {
  /** Resolves when the offer was examined, taken or not. Rejects where it couldn't be: offer it again. */
  readonly offer: (offer: Offer) => Promise<void>;
  /** The source was looked at and has nothing new. */
  readonly seen: () => void;
  /** The source can't be read; told each time, in a sentence. */
  readonly trouble: (sentence: string) => void;
};

export type Following = { readonly look: () => void; readonly stop: () => void };
