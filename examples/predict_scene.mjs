// Predicts a Landsat scene: node examples/predict_scene.mjs MODEL.safetensors SCENE OUT
// SCENE is the folder of a Landsat Collection-2 level-2 product, a stacked GeoTIFF or an ENVI cube; OUT.img is an ENVI cube.
import { loadModel, openScene, planPrediction, predict } from 'bandlift';

const [model, input, out] = process.argv.slice(2);
const stage1 = await loadModel(model);
const scene = await openScene(input);
try {
  // 'bicubic' stands for a second stage without training: 30 m to 4 m
  const models = [stage1, 'bicubic'];
  const plan = await planPrediction(scene, models, { out });
  console.log(`${(plan.diskBytes / 1e6).toFixed(1)} MB on the disk, computed by ${plan.device}`);

  // Ctrl-C finishes a tile; the same call later goes on from there
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const { output, description } = await predict(scene, models, { out, signal: stop.signal });
  console.log(`${output.dataPath}: ${description.height} x ${description.width} pixels, ${description.bands} bands`);
} finally {
  await scene.close();
}
