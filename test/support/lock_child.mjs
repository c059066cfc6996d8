// A process that takes locks when told to: {file, at} in, whether it holds it out; 'release' gives it free.
import { tryLock } from '../../src/base/process_lock.mjs';

let lock;
process.on('message', (message) => {
  if (message === 'release') {
    lock?.release();
    lock = undefined;
    process.send('released');
    return;
  }
  while (Date.now() < message.at); // both at the same moment
  const found = tryLock(message.file);
  lock = 'holder' in found ? undefined : found;
  process.send('holder' in found ? false : found.owner.nonce);
});
process.send('ready');
