/** `bandlift doctor` at work: what this machine has, what bandlift would use, and what is missing with its remedy. */

import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import type { CudaReport } from '../../bindings/addon.js';
import { addonPath, libraryFolders, loadAddon } from '../../bindings/load.js';
import { formatBytes } from '../base/bytes.js';
import { EXIT } from '../base/errors.js';
import { version } from '../base/version.js';
import { inspectMpi, inspectSlurm } from './doctor_cluster.js';
import { Output } from './output.js';

interface Finding {
  what: string;
  found: string;
  /** Whether it is there and serves. */
  ok: boolean;
  /** Something that bandlift does without: its absence is told, and is no fault. */
  optional?: boolean;
  remedy?: string;
}

/** 'ok' stands beside what was found alone. */
const verdict = ({ ok, optional }: Finding): string => (ok ? 'ok' : optional ? 'none' : 'MISSING');

function tool(name: string, remedy: string): Finding {
  const result = spawnSync(name, ['--version'], { encoding: 'utf8' });
  const ok = result.status === 0;
  return { what: name, found: ok ? result.stdout.split('\n')[0]! : 'missing', ok, ...(ok ? {} : { remedy }) };
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

function inspectMachine(): Finding[] {
  const findings: Finding[] = [
    { what: 'bandlift', found: version(), ok: true },
    { what: 'node', found: process.versions.node, ok: Number(process.versions.node.split('.')[0]) >= 20 },
    tool('cmake', 'apt-get install cmake | dnf install cmake | brew install cmake'),
    tool('c++', 'apt-get install g++ | dnf install gcc-c++ | xcode-select --install'),
  ];
  try {
    const addon = loadAddon();
    const cpu = addon.cpuFeatures();
    const device = addon.createDevice({ kind: 'cpu' });
    const info = device.info();
    device.dispose();
    findings.push(
      { what: 'addon', found: `${addon.version} (${addonPath()})`, ok: true },
      { what: 'processor', found: `${cpu.name}, ${cpu.physicalCores} physical cores, ${cpu.isa.join(', ')}`, ok: true },
      ...inspectCuda(addon.cudaReport(libraryFolders()), `cpu: ${info.threads} threads, ${info.isa}`),
      inspectMpi(addonPath()!),
      inspectSlurm(),
    );
  } catch (error) {
    findings.push({
      what: 'addon',
      found: (error as Error).message.split('\n')[0]!,
      ok: false,
      remedy: 'npm run build',
    });
  }
  findings.push({ what: 'memory', found: `${formatBytes(totalmem())}, ${formatBytes(freemem())} free`, ok: true });
  let writable = true;
  try {
    accessSync('.', constants.W_OK);
  } catch {
    writable = false;
  }
  findings.push({
    what: 'this folder',
    found: writable ? 'writable' : 'not writable',
    ok: writable,
    ...(writable ? {} : { remedy: 'change to a folder you may write to' }),
  });
  return findings;
}

export function runDoctor(flags: { json?: boolean }): void {
  const output = new Output(flags.json === true);
  const findings = inspectMachine();
  for (const f of findings)
    output.line(`${verdict(f).padEnd(7)} ${f.what.padEnd(14)} ${f.found}${f.remedy ? `  ->  ${f.remedy}` : ''}`);
  output.event('doctor', { findings });
  if (findings.some((f) => verdict(f) === 'MISSING')) process.exitCode = EXIT.failure;
}
