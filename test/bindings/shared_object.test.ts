/** The reader of libraries beside readelf, on a library written by hand, and on damaged ones. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { addonPath, loadAddon } from '../../bindings/load.js';
import { byVersion, highestVersion, readNeeds } from '../../bindings/shared_object.js';

/**
 * 64 bytes of header, 3 segments of 56 bytes, then the dynamic section, strings, version needs and a property note, with
 * addresses 0x1000 above the places in the file.
 */
function library(machine: number): Uint8Array {
  const bytes = new Uint8Array(640);
  const view = new DataView(bytes.buffer);
  const u16 = (at: number, value: number) => view.setUint16(at, value, true);
  const u32 = (at: number, value: number) => view.setUint32(at, value, true);
  const u64 = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  u16(18, machine);
  u64(32, 64);
  u16(54, 56);
  u16(56, 3);
  const segment = (i: number, type: number, offset: number, size: number) => {
    const at = 64 + 56 * i;
    u32(at, type);
    u64(at + 8, offset);
    u64(at + 16, offset + 0x1000);
    u64(at + 32, size);
  };
  segment(0, 1, 0, 640);
  segment(1, 2, 256, 96);
  segment(2, 0x6474e553, 560, 32);
  const dynamic = [
    [1, 1],
    [1, 11],
    [5, 0x1000 + 352],
    [0x6ffffffe, 0x1000 + 448],
    [0x6fffffff, 1],
  ] as const;
  dynamic.forEach(([tag, value], i) => {
    u64(256 + 16 * i, tag);
    u64(264 + 16 * i, value);
  });
  bytes.set(new TextEncoder().encode('\0libc.so.6\0libm.so.6\0GLIBC_2.2.5\0GLIBC_2.17\0'), 352);
  // Elf64_Verneed: version, count, file, first, next; two Elf64_Vernaux: hash, flags, other, name, next
  u16(448, 1);
  u16(450, 2);
  u32(456, 16);
  u32(464 + 8, 33);
  u32(464 + 12, 16);
  u32(480 + 8, 21);
  // note: sizes 4 and 16, type 5, 'GNU', then property 0xc0008002 of 4 bytes: v1, v2 and v3
  [4, 16, 5, 0x554e47, 0xc0008002, 4, 0b111].forEach((value, i) => {
    u32(560 + 4 * i, value);
  });
  return bytes;
}

describe('needs of a library', () => {
  it('are read from one written by hand', () => {
    expect(readNeeds(library(62))).toEqual({
      arch: 'x64',
      libraries: ['libc.so.6', 'libm.so.6'],
      versions: ['GLIBC_2.2.5', 'GLIBC_2.17'],
      x86Level: 3,
    });
    expect(readNeeds(library(183)).arch).toBe('arm64');
    expect(readNeeds(library(21)).arch).toMatch(/another processor \(ELF machine 21\)/);
    expect(highestVersion(readNeeds(library(62)), 'GLIBC')).toBe('2.17');
    expect(highestVersion(readNeeds(library(62)), 'GLIBCXX')).toBeUndefined();
  });

  it('are refused where the file is no library, or is cut off anywhere', () => {
    expect(() => readNeeds(new Uint8Array(100))).toThrow(/no 64-bit library/);
    expect(() => readNeeds(new TextEncoder().encode('#!/bin/sh'))).toThrow(/no 64-bit library/);
    const whole = library(62);
    for (const length of [65, 200, 300, 360, 449, 470]) {
      const cut = whole.slice(0, length);
      expect(() => readNeeds(cut), String(length)).toThrow(/damaged or cut off/);
    }
  });

  const hasReadelf = spawnSync('readelf', ['--version']).status === 0;
  it.skipIf(!hasReadelf)(`are what readelf tells of the addon${hasReadelf ? '' : ' (skipped: no readelf)'}`, () => {
    loadAddon();
    const needs = readNeeds(readFileSync(addonPath()!));
    const { stdout } = spawnSync('readelf', ['-V', '-d', '-W', addonPath()!], { encoding: 'utf8' });
    const names = [...stdout.matchAll(/Name: (\w+_[\d.]+) /g)].map(([, name]) => name!);
    expect(needs.versions).toEqual([...new Set(names)].sort(byVersion));
    expect(needs.versions.length).toBeGreaterThan(2);
    expect(needs.libraries).toEqual([...stdout.matchAll(/Shared library: \[(.*)\]/g)].map(([, name]) => name));
    expect(needs.arch).toBe(process.arch);
  });
});
