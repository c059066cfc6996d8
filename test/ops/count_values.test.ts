import { countValuesCases } from '../cases/count_values.js';
import { testOp } from '../support/run_cases.js';

testOp(countValuesCases);
