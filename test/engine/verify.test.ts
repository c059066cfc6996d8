/** verify itself: finds what is wrong, and says what is missing. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.js';
import { compare, toChannelsLast, verifyGolden } from '../../src/verify/verify.js';
import { SESSIONS } from '../support/devices.js';
import { goldenPath } from '../support/golden.js';
import { temporaryFolder } from '../support/temporary.js';

describe('comparison', () => {
  const allowance = (_i: number, b: number) => 0.1 + 0.01 * Math.abs(b);
  it('names the element that is worst relative to what is allowed there', () => {
    // deviations 0.5 of 1.1 allowed, 0.1 of 0.11 allowed
    expect(compare('x', [100.5, 1.1], [100, 1], allowance)).toMatchObject({ ok: true, at: '1', allowed: 0.11 });
    expect(compare('x', [102, 1.1], [100, 1], allowance)).toMatchObject({
      ok: false,
      at: '0',
      maxDeviation: 2,
      allowed: 1.1,
    });
  });
  it('takes NaN and missing elements as wrong', () => {
    expect(compare('x', [1, Number.NaN, 3], [1, 2, 3], allowance)).toMatchObject({ ok: false, at: '1' });
    expect(compare('x', [1], [1, 2], allowance).ok).toBe(false);
  });
});

it('turns bands first into channels last', () => {
  // 1 image of 2 bands, 1 x 3 pixels
  expect([...toChannelsLast([1, 2, 3, 10, 20, 30], [1, 2, 1, 3])]).toEqual([1, 10, 2, 20, 3, 30]);
});

describe('verify of a file that is not right', () => {
  const path = goldenPath('spectral_unmixing.safetensors');
  const open = SESSIONS['float64 reference']!;
  const folder = temporaryFolder();

  it('reports one changed gradient and nothing else', async () => {
    const file = await readSafetensors(path);
    (file.tensors.get('grad.abundance_net.2.bias')!.data as Float32Array)[5]! += 0.01;
    const changed = join(folder, 'spectral_unmixing.safetensors');
    await writeSafetensors(changed, file.tensors, file.metadata);
    const wrong = (await verifyGolden(changed, { open })).rows.filter((row) => !row.ok);
    expect(wrong).toMatchObject([{ what: 'gradient abundance_net.2.bias', at: '5' }]);
    expect(wrong[0]!.maxDeviation).toBeCloseTo(0.01, 6);
  });

  it('names what is missing, and an unknown network', async () => {
    const file = await readSafetensors(path);
    file.tensors.delete('param.endmembers');
    const changed = join(folder, 'spectral_unmixing.safetensors');
    await writeSafetensors(changed, file.tensors, file.metadata);
    await expect(verifyGolden(changed, { open })).rejects.toThrow('param.endmembers: a parameter is missing');
    const renamed = join(folder, 'mine.safetensors');
    await copyFile(path, renamed);
    await expect(verifyGolden(renamed, { open })).rejects.toThrow(
      'unknown network; found mine, expected spectral_sr, spectral_unmixing,',
    );
    await expect(verifyGolden(renamed, { open, net: 'spectral_sr' })).rejects.toThrow('doc.hidden_dim');
  });
});
