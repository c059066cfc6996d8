/** The work of `bandlift view`: opens, answers, and ends with a signal. */
import { spawn } from 'node:child_process';
import { EXIT } from '../base/errors.js';
import { startViewer } from '../view/server.js';
import { onInterrupt } from './interrupt.js';
import { Output } from './output.js';

export interface ViewFlags {
  readonly truth?: string;
  readonly uncertainty?: string;
  readonly port?: number;
  readonly open?: boolean;
  readonly json?: boolean;
}

/** The desktop's own way to open an address; where there is none, the address that was printed is all. */
function openBrowser(address: string, output: Output): void {
  const child = spawn('xdg-open', [address], { stdio: 'ignore', detached: true });
  child.on('error', () => output.warn('--open: no xdg-open here; open the address yourself'));
  child.unref();
}

/** Ends when a signal comes, as every command does then: with 130. Nothing is written, so nothing has to be saved. */
export async function runView(files: readonly string[], flags: ViewFlags): Promise<void> {
  const output = new Output(flags.json === true);
  const interrupt = onInterrupt('');
  const viewer = await startViewer({
    files,
    port: flags.port ?? 0,
    warn: (text) => output.warn(text),
    ...(flags.truth === undefined ? {} : { truth: flags.truth }),
    ...(flags.uncertainty === undefined ? {} : { uncertainty: flags.uncertainty }),
  });
  try {
    for (const { scene } of viewer.scenes) for (const warning of scene.warnings) output.warn(warning);
    output.event('view', { address: viewer.address, port: viewer.port });
    output.line(`open  ${viewer.address}`);
    output.line(
      `from another machine: ssh -L ${viewer.port}:127.0.0.1:${viewer.port} THIS_MACHINE, then the same address`,
    );
    output.line('Ctrl-C ends it');
    if (flags.open) openBrowser(viewer.address, output);
    if (!interrupt.requested)
      await new Promise<void>((resolve) => interrupt.signal.addEventListener('abort', () => resolve(), { once: true }));
    process.exitCode = EXIT.interrupted;
  } finally {
    await viewer.close();
    interrupt.dispose();
  }
}
