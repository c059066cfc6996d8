import { resampleCases } from '../cases/resample.js';
import { testOp } from '../support/run_cases.js';

testOp(resampleCases);
