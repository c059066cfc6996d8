// Trains stage 1 on patch files and measures it: node examples/train_own_data.mjs PATCHES RUN [EPOCHS]
// PATCHES is a folder of HDF5 files with the datasets aviris and landsat (docs/specification.md, section 4).
import { evaluate, silentReporter, train } from 'bandlift';

const [data, out, epochs = '50'] = process.argv.slice(2);

// says what a person should know, and nothing else
const reporter = { ...silentReporter, warn: (text) => console.warn(`warning: ${text}`) };
const { best, rows } = await train({
  stage: 1,
  data,
  out,
  epochs: Number(epochs),
  lr: 6e-4,
  schedule: 'cosine',
  blocks: 1,
  reporter,
});
for (const { label, regions } of rows)
  console.log(`${label.padEnd(32)} ${regions.all.samDeg.toFixed(3)} deg  RMSE ${regions.all.rmse.toPrecision(4)}`);

// the same numbers, and many more, from the checkpoint
const { methods } = await evaluate({ checkpoint: best, data });
const model = methods.find(({ role }) => role === 'model');
console.log(`${best}: SAM ${model.regions.all.samDeg.toFixed(3)} deg, SSIM ${model.regions.all.ssim.toFixed(4)}`);
