import { fillCases } from '../cases/fill.js';
import { testOp } from '../support/run_cases.js';

testOp(fillCases);
