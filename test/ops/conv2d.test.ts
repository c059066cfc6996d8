import { conv2dCases } from '../cases/conv2d.js';
import { testOp } from '../support/run_cases.js';

testOp(conv2dCases);
