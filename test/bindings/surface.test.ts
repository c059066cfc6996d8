import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { addonPath, loadAddon } from '../../bindings/load.js';
import { bandlift } from '../support/cli.js';
import { additionProgram } from './programs.js';

/** Names of the members that bindings/addon.d.ts gives an interface, sorted. */
function declared(name: string): string[] {
  const path = fileURLToPath(new URL('../../bindings/addon.d.ts', import.meta.url));
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest);
  const found = source.statements.find(
    (s): s is ts.InterfaceDeclaration => ts.isInterfaceDeclaration(s) && s.name.text === name,
  );
  if (found === undefined) throw new Error(`addon.d.ts has no interface ${name}`);
  return found.members.map((member) => (member.name as ts.Identifier).text).sort();
}

const methods = (object: object): string[] =>
  Object.getOwnPropertyNames(Object.getPrototypeOf(object))
    .filter((name) => name !== 'constructor')
    .sort();

describe('surface of the addon', () => {
  const addon = loadAddon();

  it('exports what addon.d.ts declares', () => {
    expect(Object.keys(addon).sort()).toEqual(declared('Addon'));
  });

  it('gives devices, buffers and programs the declared members', () => {
    const device = addon.createDevice({ kind: 'cpu', threads: 1 });
    const buffer = device.allocate(192);
    const program = device.compile(additionProgram(), [buffer]);
    expect(methods(device)).toEqual(declared('NativeDevice'));
    expect(methods(buffer)).toEqual(declared('NativeBuffer'));
    expect(methods(program)).toEqual(declared('NativeProgram'));
    expect(Object.keys(device.info()).sort()).toEqual(declared('DeviceInfo'));
    expect(Object.keys(device.memory()).sort()).toEqual(declared('MemoryInfo'));
    program.dispose();
    buffer.dispose();
    device.dispose();
  });

  it('gives communicators the declared members', async () => {
    const names = ['libmpi.so.40', 'libmpi.so.12', 'libmpich.so.12'];
    if (addon.mpiReport(names).problem !== '') return; // tested where there is an MPI
    // in a process of its own: MPI is initialised once
    const script = `const a = require(process.argv[1]);
a.openMpi(${JSON.stringify(names)}).then(async (c) => {
  console.log(JSON.stringify(Object.getOwnPropertyNames(Object.getPrototypeOf(c))));
  await c.finish();
});`;
    const { stdout } = spawnSync(process.execPath, ['-e', script, addonPath()!], {
      encoding: 'utf8',
      env: { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' },
    });
    const found = (JSON.parse(stdout) as string[]).filter((name) => name !== 'constructor').sort();
    expect(found).toEqual(declared('NativeCommunicator'));
  });

  it('has the version of package.json', () => {
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(addon.version).toBe(manifest.version);
  });

  it('tells the processor, best instruction set first, and opens a device on each of them', () => {
    const { isa, name, physicalCores } = addon.cpuFeatures();
    expect(name).not.toBe('');
    expect(physicalCores).toBeGreaterThanOrEqual(1);
    const order = ['avx512', 'avx2', 'baseline'];
    expect(isa).toEqual(order.filter((one) => (isa as string[]).includes(one)));
    expect(isa.at(-1)).toBe('baseline');
    for (const one of isa) {
      const device = addon.createDevice({ kind: 'cpu', threads: 3, isa: one });
      expect(device.info()).toEqual({
        kind: 'cpu',
        name,
        threads: 3,
        isa: one,
        rowBytes: 1,
        memoryBytes: 0,
        convolutions: '',
      });
      device.dispose();
    }
  });
});

describe('loading', () => {
  it('says which file is missing and what to do', () => {
    const missing = join(tmpdir(), 'bandlift-not-there', 'bandlift.node');
    const load = new URL('../../dist/bindings/load.js', import.meta.url).href;
    const script = `import(${JSON.stringify(load)}).then((m) => m.loadAddon()).catch((e) => { console.log(e.message); process.exit(3); })`;
    const { status, stdout } = spawnSync(process.execPath, ['-e', script], {
      encoding: 'utf8',
      env: { ...process.env, BANDLIFT_ADDON: missing },
    });
    expect(stdout.trim()).toBe(
      `the native addon could not be loaded (${missing}: not there); correct or unset BANDLIFT_ADDON`,
    );
    expect(status).toBe(3);
  });

  it('is one line of the command line, and no defect', () => {
    const missing = join(tmpdir(), 'bandlift-not-there', 'bandlift.node');
    const { status, stderr } = bandlift(['predict', 'x.hdr', '--out', 'y'], tmpdir(), { BANDLIFT_ADDON: missing });
    expect(stderr).toBe(
      `error: the native addon could not be loaded (${missing}: not there); correct or unset BANDLIFT_ADDON\n`,
    );
    expect(status).toBe(1);
  });
});
