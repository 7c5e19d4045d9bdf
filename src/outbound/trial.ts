/** One step of a trial, in order: name resolved, connected, certificate, handshake, sent, accepted. `ms`: what it took. */
export type Step = {
  readonly step: 'resolve' | 'connect' | 'tls' | 'handshake' | 'send' | 'accepted';
  readonly ok: boolean;
  readonly detail: string;
  readonly ms: number;
};

/** Told of each step that is done: what it found, in a sentence. */
export type OnStep = (step: Step['step'], detail: string) => void;

/** Keeps the steps of a trial as they come; each took the time since the one before. `now` counts milliseconds. */
export const newTrial = (now: () => number = Date.now) => {
  const steps: Step[] = [];
  let since = now();
  const note = (step: Step['step'], ok: boolean, detail: string): void => {
    const at = now();
    steps.push({ step, ok, detail, ms: Math.max(0, Math.round(at - since)) });
    since = at;
  };
  const done: OnStep = (step, detail) => note(step, true, detail);
  const failed = (step: Step['step'], { reason }: { readonly reason: string }): void => note(step, false, reason);
  return { steps: steps as readonly Step[], done, failed };
};

export type Trial = ReturnType<typeof newTrial>;
