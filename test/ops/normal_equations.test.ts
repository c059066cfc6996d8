import { normalEquationsCases } from '../cases/normal_equations.js';
import { testOp } from '../support/run_cases.js';

testOp(normalEquationsCases);
