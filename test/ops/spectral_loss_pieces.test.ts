/** Corner cases of the loss against PyTorch's numbers (pieces.json): equal, scaled, zero, opposite and tiny spectra. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../src/engine/device.js';
import { GraphRunner } from '../../src/engine/graph_runner.js';
import { GraphBuilder } from '../../src/graph/ir.js';
import { spectralLossOp } from '../../src/graph/ops/spectral_loss.js';
import { goldenPath } from '../support/golden.js';

interface Piece {
  name: string;
  pred: number[];
  target: number[];
  sam_rad_float64: number;
  spectral_gradient: number;
  l1: number;
}

function lossGraph(bands: number) {
  const b = new GraphBuilder();
  const shape = [1, 1, 1, bands] as const;
  const operands = [
    b.input('pred', shape),
    b.input('target', shape),
    null,
    null,
    b.input('valid', [1, 1, 1, 1], 'f64'),
  ];
  const weights = { l1: 0, l2: 0, sam: 1, gradient: 0, withGradient: true };
  const [terms, dpred] = b.apply(spectralLossOp, operands, weights, 'loss');
  b.output('terms', terms!);
  b.output('dpred', dpred!);
  return b.build();
}

describe('loss of corner cases', () => {
  const path = goldenPath('pieces.json');
  const pieces = (path === '' ? [] : JSON.parse(readFileSync(path, 'utf8')).losses) as Piece[];
  it.each(pieces.map((p) => [p.name, p] as const))('%s', async (_name, piece) => {
    const { device } = await openDevice({ kind: 'cpu' });
    const runner = new GraphRunner(device, lossGraph(piece.pred.length));
    const outputs = await runner.run(
      new Map<string, Float32Array | Float64Array>([
        ['pred', Float32Array.from(piece.pred)],
        ['target', Float32Array.from(piece.target)],
        ['valid', Float64Array.of(1)],
      ]),
    );
    const [, l1, , sam, gradient] = outputs.get('terms')!;
    // the golden files' tolerance for losses
    const close = (a: number, b: number) => expect(Math.abs(a - b)).toBeLessThanOrEqual(1e-5 + 1e-4 * Math.abs(b));
    close(l1!, piece.l1);
    close(sam!, piece.sam_rad_float64);
    close(gradient!, piece.spectral_gradient);
    const dpred = outputs.get('dpred')!;
    expect(dpred.every(Number.isFinite)).toBe(true);
    // no pull at equality, none on or by a spectrum of zeros
    if (piece.name === 'equal' || piece.name.startsWith('zero')) expect(Math.max(...dpred.map(Math.abs))).toBe(0);
    runner.dispose();
    device.dispose();
  });
});
