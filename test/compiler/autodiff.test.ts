/** The gradient rules of every operator, and of whole networks, against finite differences in float64. */
import { describe, expect, it } from 'vitest';
import { differentiate, differentiateFrom } from '../../src/compiler/autodiff.js';
import { GraphBuilder } from '../../src/graph/ir.js';
import { activation } from '../../src/graph/ops/activation.js';
import { add } from '../../src/graph/ops/add.js';
import { softmaxMixing } from '../../src/graph/ops/softmax_mixing.js';
import { buildCase, fillCase } from '../cases/case.js';
import { allCases } from '../cases/index.js';
import { type DirectionalDerivative, directionalDerivatives } from '../support/gradcheck.js';
import { lossGraph, networkFeeds, SMALL_NETWORKS, trainableNames } from '../support/networks.js';
import { evaluateGraph } from '../support/reference.js';

/** 1e-5: central differences of step 1e-6 in float64, with a rare ReLU that changes sides within the step. */
function expectEqualDerivatives(rows: DirectionalDerivative[]): void {
  expect(rows.length).toBeGreaterThan(0);
  for (const { name, numeric, analytic } of rows) {
    expect(Math.abs(numeric - analytic), `${name}: ${analytic}, finite differences say ${numeric}`).toBeLessThanOrEqual(
      1e-7 + 1e-5 * Math.abs(numeric),
    );
  }
}

for (const table of allCases) {
  const cases = table.cases.filter((c) => c.differentiate !== undefined && c.bench !== true);
  if (cases.length === 0) continue;
  describe(`gradient rule of ${table.op}`, () => {
    it.each(cases.map((c) => [c.name, c] as const))('%s', (_name, c) => {
      const forward = buildCase(c);
      const names = forward.values.filter((v) => v.role === 'input' || v.role === 'parameter').map((v) => v.name);
      const inputs = forward.values.filter((v) => v.role === 'input').map((v) => v.name);
      const backward = differentiateFrom(forward, c.differentiate!, inputs);
      const feeds = fillCase(c, backward);
      for (const v of backward.values) if (v.role === 'state') feeds.delete(v.name); // gradient sums start at 0
      const seed = feeds.get(`seed.${c.differentiate}`)!;
      const scalar = (f: ReadonlyMap<string, ArrayLike<number>>) =>
        evaluateGraph(forward, f)
          .get(c.differentiate!)!
          .reduce((sum, y, i) => sum + y * seed[i]!, 0);
      expectEqualDerivatives(directionalDerivatives(scalar, evaluateGraph(backward, feeds), feeds, names));
    });
  });
}

describe('gradients of networks', () => {
  it.each(Object.entries(SMALL_NETWORKS))('%s', (_name, spec) => {
    const forward = lossGraph(spec, [2, 4, 5]);
    const backward = differentiate(forward, { loss: 'terms', inputs: ['input'] });
    const feeds = networkFeeds(forward);
    const scalar = (f: ReadonlyMap<string, ArrayLike<number>>) => evaluateGraph(forward, f).get('terms')![0]!;
    const names = [...trainableNames(forward), 'input'];
    expectEqualDerivatives(directionalDerivatives(scalar, evaluateGraph(backward, feeds), feeds, names));
  });
});

describe('what is differentiated', () => {
  it('adds the gradients of a value that is used three times', () => {
    const b = new GraphBuilder();
    const x = b.input('x', [1, 1, 1, 3]);
    b.output('y', add(b, add(b, x, x, 'two'), activation(b, 'sigmoid', x, 's'), 'y'));
    const graph = differentiateFrom(b.build(), 'y', ['x']);
    const feeds = new Map<string, ArrayLike<number>>([
      ['x', [0, 1, -2]],
      ['seed.y', [1, 10, 100]],
    ]);
    const gradient = evaluateGraph(graph, feeds).get('grad.x')!;
    // 2 + s (1 - s), by hand
    const expected = [0, 1, -2].map((v, i) => 10 ** i * (2 + Math.exp(-v) / (1 + Math.exp(-v)) ** 2));
    for (let i = 0; i < 3; i++) expect(gradient[i]).toBeCloseTo(expected[i]!, 10);
  });

  it('computes no gradient of the input or of frozen weights unless asked', () => {
    const spec = SMALL_NETWORKS['spectral_sr row']!;
    const forward = lossGraph(spec, [1, 3, 3]);
    const train = differentiate(forward, { loss: 'terms' });
    const labels = train.nodes.map((node) => node.label);
    expect(labels).not.toContain('spectral_expand.0.dx');
    expect(labels.filter((l) => l.startsWith('regression.d'))).toEqual([]);
    expect([...train.outputs.keys()]).not.toContain('grad.input');
    expect([...train.outputs.keys()].filter((k) => k.startsWith('grad.regression'))).toEqual([]);
    const withInput = differentiate(forward, { loss: 'terms', inputs: ['input'] });
    expect(withInput.nodes.map((node) => node.label)).toContain('spectral_expand.0.dx');
  });

  it('adds to what the gradient sums hold, so that micro-batches add up', () => {
    const spec = SMALL_NETWORKS['unmixing softplus']!;
    const forward = lossGraph(spec, [1, 3, 3]);
    const graph = differentiate(forward, { loss: 'terms' });
    const feeds = networkFeeds(forward);
    const once = evaluateGraph(graph, feeds);
    const twice = evaluateGraph(graph, new Map([...feeds, ...once]));
    for (const name of trainableNames(forward)) {
      const [a, b] = [once.get(`grad.${name}`)!, twice.get(`grad.${name}`)!];
      for (let i = 0; i < a.length; i++) expect(b[i]).toBeCloseTo(2 * a[i]!, 12);
    }
  });

  it('refuses a loss that depends on an output whose gradient the rule does not take', () => {
    const b = new GraphBuilder();
    const logits = b.input('logits', [1, 2, 2, 3]);
    const { mixed, abundances } = softmaxMixing(b, logits, b.parameter('endmembers', [1, 1, 3, 5]), 'unmix');
    b.output('mixed', mixed);
    b.output('abundances', abundances);
    expect(() => differentiateFrom(b.build(), 'mixed', ['logits'])).not.toThrow();
    expect(() => differentiateFrom(b.build(), 'abundances', ['logits'])).toThrow(
      "softmax_mixing_forward 'unmix': the loss depends on output 0, but the gradient rule covers output 1 only",
    );
  });
});
