import { spectralLossCases } from '../cases/spectral_loss.js';
import { testOp } from '../support/run_cases.js';

testOp(spectralLossCases);
