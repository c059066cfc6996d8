/** The graphs a session runs, for any number of samples: from spec and loss to fused graph, with named inputs and outputs. */
import { differentiate } from '../compiler/autodiff.js';
import { fuse } from '../compiler/fuse.js';
import { combinedLoss } from '../graph/combined_loss.js';
import { type Graph, GraphBuilder, prune } from '../graph/ir.js';
import { fillInto } from '../graph/ops/fill.js';
import { gradientNorm, optimizerStep, SCALAR_COUNT } from '../graph/ops/optimizer.js';
import { buildModel } from '../models/index.js';
import type { AdamOptions, SessionOptions } from './types.js';

/** step: loss and gradients; gradients: the same with the prediction (and the input's gradient). */
export type SampleProgram = 'step' | 'evaluate' | 'predict' | 'gradients' | 'gradients_input';

export interface NamedGraph {
  readonly graph: Graph;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** Whether the loss's gradient is multiplied by a scale (loss_scale.ts). */
export function isLossScaled(options: SessionOptions): boolean {
  return options.device?.precision === 'fp16';
}

export function sampleProgram(kind: SampleProgram, samples: number, options: SessionOptions): NamedGraph {
  const { model, loss, height, width, bandMask, patchBands = false, pixelMask = false } = options;
  const builder = new GraphBuilder();
  const x = builder.input('input', [samples, height, width, model.inBands]);
  const use = kind === 'predict' ? 'predict' : 'learn';
  const { output } = buildModel(builder, model, x, use);
  const masks = [...(pixelMask ? ['mask'] : []), ...(patchBands ? ['band_mask'] : [])];
  if (kind === 'predict') {
    builder.output('prediction', output);
    return { graph: fuse(prune(builder.build())), inputs: ['input'], outputs: ['prediction'] };
  }
  builder.output(
    'terms',
    combinedLoss(builder, output, loss, {
      pixelMask,
      patchBands,
      lossScaled: isLossScaled(options),
      ...(bandMask ? { bandMask } : {}),
    }),
  );
  const inputs = ['input', 'target', ...masks, 'valid_pixels'];
  if (kind === 'evaluate') return { graph: fuse(prune(builder.build())), inputs, outputs: ['terms'] };
  if (kind === 'step')
    return { graph: fuse(differentiate(builder.build(), { loss: 'terms' })), inputs, outputs: ['terms'] };
  builder.output('prediction', output);
  const withInput = kind === 'gradients_input';
  const graph = fuse(differentiate(builder.build(), { loss: 'terms', inputs: withInput ? ['input'] : [] }));
  return { graph, inputs, outputs: ['terms', 'prediction', ...(withInput ? ['grad.input'] : [])] };
}

/** Sets the gradient sums of `length` parameters to 0. */
export function zeroProgram(length: number): NamedGraph {
  const builder = new GraphBuilder();
  const g = builder.state('g', [1, 1, 1, length]);
  builder.output('g', builder.apply(fillInto, [g], { value: 0 }, 'zero gradients')[0]!);
  return { graph: builder.build(), inputs: [], outputs: [] };
}

/** The norm of the gradients of `length` parameters. */
export function normProgram(length: number): NamedGraph {
  const builder = new GraphBuilder();
  const g = builder.state('g', [1, 1, 1, length]);
  builder.output('norm', gradientNorm(builder, g, builder.state('scalars', [1, 1, 1, SCALAR_COUNT]))[0]!);
  return { graph: builder.build(), inputs: [], outputs: ['norm'] };
}

/** Norm, clipping, Adam and the moving average over all trained parameters. */
export function optimizerProgram(length: number, ema: boolean, adam: AdamOptions): NamedGraph {
  const builder = new GraphBuilder();
  const vector = (name: string) => builder.state(name, [1, 1, 1, length]);
  const { norm, updated } = optimizerStep(
    builder,
    {
      g: vector('g'),
      scalars: builder.state('scalars', [1, 1, 1, SCALAR_COUNT]),
      param: vector('param'),
      m: vector('m'),
      v: vector('v'),
      ema: ema ? vector('ema') : null,
    },
    adam,
  );
  builder.output('norm', norm);
  builder.output('param', updated[0]!);
  return { graph: builder.build(), inputs: [], outputs: ['norm'] };
}
