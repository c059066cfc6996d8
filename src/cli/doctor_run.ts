/** `bandlift doctor` at work: what this machine has, what bandlift would use, and what is missing with its remedy. */

import { spawnSync } from 'node:child_process';
import type { CudaReport } from '../../bindings/addon.js';
import { addonPath, isCheckout, libraryFolders, loadAddon } from '../../bindings/load.js';
import { formatBytes } from '../base/bytes.js';
import { EXIT } from '../base/errors.js';
import { version } from '../base/version.js';
import { fatalSignal, inspectAddon } from './doctor_addon.js';
import { inspectMpi, inspectSlurm } from './doctor_cluster.js';
import type { Finding } from './doctor_finding.js';
import { inspectMemory } from './doctor_memory.js';
import { inspectStorage } from './doctor_storage.js';
import { Output } from './output.js';

/** 'ok' stands beside what was found alone. */
const verdict = ({ ok, optional }: Finding): string => (ok ? 'ok' : optional ? 'none' : 'MISSING');

/** What a checkout is built with; a package needs none of it. */
function buildTool(name: string, remedy: string): Finding[] {
  if (!isCheckout()) return [];
  const result = spawnSync(name, ['--version'], { encoding: 'utf8' });
  const ok = result.status === 0;
  return [{ what: name, found: ok ? result.stdout.split('\n')[0]! : 'missing', ok, ...(ok ? {} : { remedy }) }];
}

/** Driver, GPUs and libraries. What a machine without a GPU lacks is told, but is no fault. */
function inspectCuda(report: CudaReport, cpu: string): Finding[] {
  const usable = report.devices.find((gpu) => gpu.usable);
  const auto = usable === undefined ? `${cpu} (${report.reason})` : `cuda:${usable.index}: ${usable.name}`;
  const none = {
    what: 'CUDA',
    found: 'not built in',
    ok: false,
    optional: true,
    remedy: 'npm run build:cuda, for an NVIDIA GPU',
  };
  if (!report.built) return [none, { what: '--device auto', found: auto, ok: true }];
  const gpus = report.devices.map((gpu) => ({
    what: `cuda:${gpu.index}`,
    found: `${gpu.name}, compute capability ${gpu.computeCapability}, ${formatBytes(gpu.memoryBytes)}${gpu.reason === '' ? '' : `: ${gpu.reason}`}`,
    ok: gpu.usable,
    ...(gpu.usable ? {} : { remedy: '--device cpu' }),
  }));
  return [
    { what: 'CUDA', found: `${report.runtime} built in for ${report.architectures.join(', ')}`, ok: true },
    {
      what: 'driver',
      found: report.driver === '' ? 'no driver for NVIDIA GPUs' : `for CUDA ${report.driver}`,
      ok: report.driver !== '',
      optional: true,
    },
    ...gpus,
    ...(gpus.length === 0 ? [{ what: 'GPU', found: 'no GPU', ok: false, optional: true }] : []),
    ...report.libraries.map((library) => ({
      what: library.name,
      found: library.problem === '' ? `${library.version} (${library.path})` : library.problem,
      ok: library.problem === '',
      // without it convolutions are computed by our own kernels
      optional: true,
    })),
    { what: '--device auto', found: auto, ok: true },
  ];
}

/** The addon and all that it tells. One that does not load, or whose CPU code ends the process, is a line of its own. */
function inspectEngine(): Finding[] {
  try {
    const signal = fatalSignal();
    if (signal !== undefined)
      return [
        {
          what: 'addon',
          found: `opening it ends the process with ${signal}${signal === 'SIGILL' ? ': it holds instructions that this processor lacks' : ''}`,
          ok: false,
          remedy: isCheckout() ? 'npm run build, without -march' : 'install the package of `npm run prebuild`',
        },
      ];
    const addon = loadAddon();
    const device = addon.createDevice({ kind: 'cpu' });
    const info = device.info();
    device.dispose();
    return [
      ...inspectAddon(addon),
      ...inspectCuda(addon.cudaReport(libraryFolders()), `cpu: ${info.threads} threads, ${info.isa}`),
      inspectMpi(addonPath()!),
      inspectSlurm(),
    ];
  } catch (error) {
    // the line itself says what to do
    return [{ what: 'addon', found: (error as Error).message.split('\n')[0]!, ok: false }];
  }
}

/** @param folder where runs are to be written */
function inspectMachine(folder: string): Finding[] {
  return [
    { what: 'bandlift', found: version(), ok: true },
    { what: 'node', found: process.versions.node, ok: Number(process.versions.node.split('.')[0]) >= 20 },
    ...buildTool('cmake', 'apt-get install cmake | dnf install cmake'),
    ...buildTool('c++', 'apt-get install g++ | dnf install gcc-c++'),
    ...inspectEngine(),
    ...inspectMemory(),
    ...inspectStorage(folder),
  ];
}

export function runDoctor(folder: string, flags: { json?: boolean }): void {
  const output = new Output(flags.json === true);
  const findings = inspectMachine(folder);
  for (const f of findings)
    output.line(`${verdict(f).padEnd(7)} ${f.what.padEnd(14)} ${f.found}${f.remedy ? `  ->  ${f.remedy}` : ''}`);
  output.event('doctor', { findings });
  if (findings.some((f) => verdict(f) === 'MISSING')) process.exitCode = EXIT.failure;
}
