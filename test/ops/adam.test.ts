import { adamCases } from '../cases/adam.js';
import { testOp } from '../support/run_cases.js';

testOp(adamCases);
