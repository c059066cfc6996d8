import { spectralMetricsCases } from '../cases/spectral_metrics.js';
import { testOp } from '../support/run_cases.js';

testOp(spectralMetricsCases);
