/** Which options of `predict` go together: what would be ignored is refused, by name, before anything is opened. */
import { BandliftError, EXIT } from '../base/errors.js';

export interface OptionsToCheck {
  readonly stage1?: string;
  readonly stage2?: string;
  readonly stage1Stats?: string;
  readonly stage2Stats?: string;
  readonly format: 'float32' | 'int16';
  readonly scale?: number;
  readonly keepStage1?: boolean;
  readonly uncertainty?: 'sd' | 'interval';
  readonly resume?: boolean;
  readonly restart?: boolean;
}

/** Throws a usage error that names the option and what it needs. */
export function checkCombination(flags: OptionsToCheck): void {
  const { stage1, stage2, stage1Stats, stage2Stats } = flags;
  const needs = (option: string, condition: boolean, message: string, hint?: string): void => {
    if (!condition)
      throw new BandliftError(message, { field: option, ...(hint === undefined ? {} : { hint }) }, EXIT.usage);
  };
  if (flags.resume && flags.restart) throw new BandliftError('give --resume or --restart, not both', {}, EXIT.usage);
  needs('--scale', flags.scale === undefined || flags.format === 'int16', 'is for --format int16', scaleHint(flags));
  needs(
    '--keep-stage1',
    !flags.keepStage1 || (stage1 !== undefined && stage2 !== undefined),
    'is for a prediction with both --stage1 and --stage2',
  );
  needs(
    '--uncertainty',
    flags.uncertainty === undefined || stage2 === undefined,
    'is for a prediction without --stage2',
  );
  needs('--stage1-stats', stage1Stats === undefined || stage1 !== undefined, 'needs --stage1');
  needs('--stage2-stats', stage2Stats === undefined || stage2 !== undefined, 'needs --stage2');
  needs('--stage2-stats', stage2Stats === undefined || stage2 !== 'bicubic', 'bicubic has no normalisation');
}

/** Input and output both have a scale. */
const scaleHint = ({ format }: OptionsToCheck): string | undefined =>
  format === 'int16' ? undefined : 'the scale of a stacked GeoTIFF that goes in is --input-scale';
