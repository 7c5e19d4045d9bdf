// A child of the supervisor that does nothing but speak its words. A worker takes its time before it is ready, and
// writes into the folder that `node` names which bundle it was told last. The first pipeline dies of its first record.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const isPipeline = process.argv[2] === 'pipeline';
const say = (message) => process.send(message);
let start;

const note = (bundle) => writeFileSync(join(start.node, start.slot), bundle);
const record = ({ draft }) => {
  const died = join(start.node, 'died');
  if (existsSync(died)) return say({ kind: 'recorded', event: draft.id });
  writeFileSync(died, '');
  process.exit(1);
};

process.on('message', (message) => {
  if (message.kind === 'stop') process.exit(0);
  if (message.kind === 'record') record(message);
  // As a real worker does: what is told before it is ready finds nobody who listens.
  if (message.kind === 'reload' && start.isReady) note(message.bundle);
  if (message.kind !== 'start') return;
  start = message;
  if (!isPipeline) note(message.bundle);
  setTimeout(
    () => {
      start.isReady = true;
      setInterval(() => say({ kind: 'beat' }), 50);
      say({ kind: 'ready', port: 1 });
    },
    isPipeline ? 0 : 500,
  );
});
process.on('disconnect', () => process.exit(0));
say({ kind: 'hello' });
