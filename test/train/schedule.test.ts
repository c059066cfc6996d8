import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EarlyStopping } from '../../src/train/early_stopping.js';
import { createSchedule, type Schedule, type ScheduleOptions } from '../../src/train/schedule.js';
import { goldenPath } from '../support/golden.js';
import { describePyTorch, pythonWithTorch, runPython } from '../support/python.js';

const base: ScheduleOptions = {
  kind: 'plateau',
  learningRate: 1e-4,
  warmupSteps: 0,
  factor: 0.5,
  patience: 10,
  stepEpochs: 30,
  minLearningRate: 0,
  totalSteps: 100,
  stepsPerEpoch: 10,
};

/** Learning rates after each epoch; the schedule goes through a checkpoint (JSON) after every epoch. */
function trace(options: ScheduleOptions, losses: readonly number[]): number[] {
  let schedule: Schedule = createSchedule(options);
  return losses.map((loss) => {
    schedule.onEpochEnd(loss);
    const state = JSON.parse(JSON.stringify(schedule.state()));
    schedule = createSchedule(options);
    schedule.load(state);
    return schedule.learningRate(0);
  });
}

describe('plateau', () => {
  const path = goldenPath('pieces.json');
  it('follows the golden ReduceLROnPlateau trace, through checkpoints', () => {
    const golden = JSON.parse(readFileSync(path, 'utf8')).reduce_lr_on_plateau;
    expect(golden.patience).toBe(base.patience);
    expect(trace(base, golden.metric)).toEqual(golden.lr_after);
  });
});

describePyTorch('beside PyTorch', () => {
  it('reduces where ReduceLROnPlateau, StepLR and CosineAnnealingLR reduce', () => {
    // a noisy falling loss, small patience, a floor and reductions below torch's eps of 1e-8
    const losses = Array.from({ length: 60 }, (_, i) => 1 / (1 + i) + 0.3 * Math.abs(Math.sin(12.9898 * i)));
    const code = `
import json, sys, torch, warnings
warnings.simplefilter('ignore')
losses = json.loads(sys.argv[1])
def run(make, metric):
    o = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-4)
    s = make(o); out = []
    for v in losses:
        if metric: s.step(v)
        out.append(o.param_groups[0]['lr'])
        if not metric: s.step()
    return out
L = torch.optim.lr_scheduler
print(json.dumps({
  'floor': run(lambda o: L.ReduceLROnPlateau(o, factor=0.3, patience=2, min_lr=1e-6), True),
  'eps': run(lambda o: L.ReduceLROnPlateau(o, factor=0.1, patience=0), True),
  'step': run(lambda o: L.StepLR(o, 7, 0.3), False),
  'cosine': run(lambda o: L.CosineAnnealingLR(o, 60, 1e-6), False)}))
`;
    const torch = JSON.parse(runPython(code, [JSON.stringify(losses)], pythonWithTorch));
    expect(trace({ ...base, factor: 0.3, patience: 2, minLearningRate: 1e-6 }, losses)).toEqual(torch.floor);
    expect(trace({ ...base, factor: 0.1, patience: 0 }, losses)).toEqual(torch.eps);
    const step = createSchedule({ ...base, kind: 'step', factor: 0.3, stepEpochs: 7 });
    const cosine = createSchedule({ ...base, kind: 'cosine', minLearningRate: 1e-6, totalSteps: 60 });
    for (let i = 0; i < 60; i++) {
      // torch computes both recursively: rounding errors of up to 60 multiplications, 60 * 2^-53 < 1e-14, some more for cos
      expect(Math.abs(step.learningRate(10 * i + 9) / torch.step[i] - 1)).toBeLessThan(1e-13);
      expect(Math.abs(cosine.learningRate(i) / torch.cosine[i] - 1)).toBeLessThan(1e-11);
    }
  });
});

describe('warm-up', () => {
  it('rises linearly to every schedule', () => {
    for (const kind of ['plateau', 'cosine', 'step', 'constant'] as const) {
      const schedule = createSchedule({ ...base, kind, warmupSteps: 4 });
      const rates = [0, 1, 2, 3, 4].map((step) => schedule.learningRate(step));
      const expected = [0.25e-4, 0.5e-4, 0.75e-4, 1e-4, 1e-4];
      for (const [i, rate] of rates.entries()) expect(rate).toBeCloseTo(expected[i]!, 15);
    }
  });

  it('leaves the cosine to the steps after it', () => {
    const schedule = createSchedule({ ...base, kind: 'cosine', warmupSteps: 20, totalSteps: 100 });
    expect(schedule.learningRate(60)).toBeCloseTo(0.5e-4, 15); // half way from 20 to 100
    expect(schedule.learningRate(100)).toBeCloseTo(0, 15);
  });
});

it('refuses the state of another schedule', () => {
  const state = createSchedule({ ...base, kind: 'cosine' }).state();
  expect(() => createSchedule(base).load(state)).toThrow(
    /another learning rate schedule; found cosine, expected plateau/,
  );
});

describe('early stopping', () => {
  const run = (options: { patience: number; minDelta?: number }, losses: readonly number[]) => {
    let stopping = new EarlyStopping(options);
    return losses.map((loss) => {
      stopping.onEpochEnd(loss);
      const state = JSON.parse(JSON.stringify(stopping.state()));
      stopping = new EarlyStopping(options);
      stopping.load(state);
      return stopping.stopped;
    });
  };
  it('stops after `patience` epochs without a better loss', () => {
    expect(run({ patience: 2 }, [3, 2, 2, 1.9, 1.95, 2])).toEqual([false, false, false, false, false, true]);
    expect(run({ patience: 2, minDelta: 0.5 }, [3, 2, 1.9, 1.6])).toEqual([false, false, false, true]);
    expect(run({ patience: 0 }, [1, 2, 3, 4])).toEqual([false, false, false, false]);
  });
});
