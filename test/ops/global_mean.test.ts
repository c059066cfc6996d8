import { globalMeanCases } from '../cases/global_mean.js';
import { testOp } from '../support/run_cases.js';

testOp(globalMeanCases);
