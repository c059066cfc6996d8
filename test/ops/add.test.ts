import { addCases } from '../cases/add.js';
import { testOp } from '../support/run_cases.js';

testOp(addCases);
