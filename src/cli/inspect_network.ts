/** `inspect` of a network by its name, with the sizes that training gives it. */
import { BandliftError, EXIT } from '../base/errors.js';
import { resolveConfig, STAGE2_SETTINGS } from '../train/config.js';
import { specFromConfig } from '../train/model_setup.js';
import { spatialSpec } from '../train/stage2.js';
import type { Facts } from './inspect_facts.js';
import { modelFacts } from './inspect_weights.js';

const SPECTRAL = ['spectral_sr', 'spectral_unmixing', 'ridge', 'quadratic_ridge'];
const SPATIAL = ['spatial_sr', 'spatial_lightweight', 'bicubic'];
const MODELS = [...SPECTRAL, ...SPATIAL];
/** Bands of AVIRIS-NG that patches keep, and Landsat's. */
const [FINE_BANDS, LANDSAT_BANDS] = [340, 7];

/** A network by its name. Throws a usage error for names of neither a file nor a network. */
export async function inspectNetwork(name: string, batchSize: number, size: number | undefined): Promise<Facts> {
  if (!MODELS.includes(name))
    throw new BandliftError(
      'no such file',
      { file: name, hint: `give a file, or a network: ${MODELS.join(', ')}` },
      EXIT.usage,
    );
  const spec = SPATIAL.includes(name)
    ? spatialSpec(resolveConfig({ model: name, back_projections: 0 }, {}, STAGE2_SETTINGS), FINE_BANDS)
    : specFromConfig(resolveConfig({ model: name, regression: 'none' }), LANDSAT_BANDS, FINE_BANDS);
  return { kind: 'network', ...(await modelFacts(spec, batchSize, size)) };
}
