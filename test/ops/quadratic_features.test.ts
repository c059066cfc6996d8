import { quadraticFeaturesCases } from '../cases/quadratic_features.js';
import { testOp } from '../support/run_cases.js';

testOp(quadraticFeaturesCases);
