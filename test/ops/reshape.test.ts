import { reshapeCases } from '../cases/reshape.js';
import { testOp } from '../support/run_cases.js';

testOp(reshapeCases);
