/** All methods of an evaluation as a table for people: the model beside every baseline and the oracle. */

import { figure } from '../metrics/table.js';
import type { MethodResult } from '../metrics/types.js';
import type { EvaluationResult } from './result.js';

const percent = (share: number | undefined): number | undefined => (share === undefined ? undefined : 100 * share);

type Column = readonly [title: string, value: (method: MethodResult) => number | undefined];

/** The table, and below it what its columns mean. */
export function formatMethodTable(result: Pick<EvaluationResult, 'methods' | 'data'>): string {
  const { methods, data } = result;
  const clear = methods.some((m) => m.regions.clear);
  const columns: Column[] = [
    ['SAM deg', (m) => m.regions.all?.samDeg],
    ...(clear ? ([['SAM clear', (m) => m.regions.clear?.samDeg]] satisfies Column[]) : []),
    ['RMSE', (m) => m.regions.all?.rmse],
    ...(clear ? ([['RMSE clear', (m) => m.regions.clear?.rmse]] satisfies Column[]) : []),
    ['MAE', (m) => m.regions.all?.mae],
    ['MRAE', (m) => m.regions.all?.mrae],
    ['PSNR dB', (m) => m.regions.all?.psnr],
    ['SSIM', (m) => m.regions.all?.ssim],
    ['ERGAS', (m) => m.regions.all?.ergas],
    ['CC', (m) => m.regions.all?.cc],
    ['below 0 %', (m) => percent(m.regions.all?.negativeShare)],
  ];
  const cells = [
    ['method', ...columns.map(([title]) => title)],
    ...methods.map((m) => [
      m.role === 'model' ? `> ${m.label}` : `  ${m.label}`,
      ...columns.map(([, v]) => figure(v(m))),
    ]),
  ];
  const widths = cells[0]!.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
  const [title, ...body] = cells.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  );
  const first = methods[0];
  const excluded =
    first && first.zeroNormPixels > 0 ? `, ${first.zeroNormPixels.toLocaleString('en')} without length` : '';
  const pixels = `${first?.validPixels.toLocaleString('en') ?? 0} valid pixels${excluded}`;
  return [
    title!,
    '-'.repeat(title!.length),
    ...body,
    `${pixels} in ${data.patches} patches; RMSE and MAE in ${data.units || "the data's units"}; all bands${clear ? ', clear: away from water vapour' : ''}`,
  ].join('\n');
}
