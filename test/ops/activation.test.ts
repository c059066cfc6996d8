import { activationCases } from '../cases/activation.js';
import { testOp } from '../support/run_cases.js';

testOp(activationCases);
