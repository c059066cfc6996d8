// A process (or worker) that leaves while minutes of convolutions run on its device.
//   node long_run_child.mjs <exit | disposed | terminate> <addon file> <longRun of programs.ts as JSON>
import { createRequire } from 'node:module';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

/** Starts the run and comes back while it is under way. */
function start([addonFile, json]) {
  const { bufferBytes, instruction, times } = JSON.parse(json);
  const addon = createRequire(import.meta.url)(addonFile);
  const device = addon.createDevice({ kind: 'cpu', threads: 2 });
  const buffers = bufferBytes.map((bytes) => device.allocate(bytes));
  // an output makes the device write into this environment's memory at the end of a run
  const image = instruction.tensors[4];
  const description = {
    instructions: new Array(times).fill(instruction),
    inputs: [],
    outputs: [{ name: 'y', tensor: image }],
  };
  const program = device.compile(description, buffers);
  const output = new Float32Array(image.shape.reduce((product, side) => product * side, 1));
  const promise = program.run([], [output]);
  return { device, buffers, program, promise };
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 200));

if (!isMainThread) {
  start(workerData);
  parentPort.postMessage('running');
} else {
  const [mode, ...rest] = process.argv.slice(2);
  if (mode === 'terminate') {
    const worker = new Worker(new URL(import.meta.url), { workerData: rest });
    await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    await pause();
    const code = await worker.terminate();
    // the addon still works in this thread
    const { program, promise } = start(rest);
    program.abort();
    const error = await promise.then(
      () => undefined,
      (reason) => reason,
    );
    console.log(`worker ended with ${code}, then ${error?.code}`);
  } else {
    const { device, buffers, program, promise } = start(rest);
    promise.catch(() => {});
    await pause();
    if (mode === 'disposed') {
      program.dispose();
      for (const buffer of buffers) buffer.dispose();
      device.dispose();
    }
    console.log('running');
    process.exit(mode === 'exit' ? 7 : 0);
  }
}
