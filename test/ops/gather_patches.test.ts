import { gatherPatchesCases } from '../cases/gather_patches.js';
import { testOp } from '../support/run_cases.js';

testOp(gatherPatchesCases);
