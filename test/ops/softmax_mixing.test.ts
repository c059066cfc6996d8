import { softmaxMixingCases } from '../cases/softmax_mixing.js';
import { testOp } from '../support/run_cases.js';

testOp(softmaxMixingCases);
