/**
 * Output, losses, gradients and ten Adam steps of the small networks against PyTorch's numbers: on the device, and once
 * more on the float64 reference, which tells an error of a kernel from one of the graph.
 */
import { describe, expect, it } from 'vitest';
import { verifyGolden } from '../../src/verify/verify.js';
import { SESSIONS } from '../support/devices.js';
import { goldenPath } from '../support/golden.js';
import { runLong } from '../support/long.js';

for (const net of ['spectral_sr', 'spectral_unmixing', 'spatial_sr', 'spatial_lightweight']) {
  describe(`golden numbers of ${net}`, () => {
    const path = goldenPath(`${net}.safetensors`);
    // on the reference a spatial network takes a minute
    const sessions = Object.entries(SESSIONS).filter(
      ([name]) => runLong || name === 'device' || !net.startsWith('spatial'),
    );
    it.each(sessions)('on the %s', async (_name, open) => {
      const { rows } = await verifyGolden(path, { open });
      // output, 3 loss terms, input gradient, Adam losses, and gradient and final value of every parameter
      expect(rows.length).toBeGreaterThanOrEqual(6 + 2 * 7);
      expect(rows.filter((row) => !row.ok)).toEqual([]);
    });
  });
}
