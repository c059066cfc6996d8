import { gateCases } from '../cases/gate.js';
import { testOp } from '../support/run_cases.js';

testOp(gateCases);
