/** The report of an evaluation: one page for people, tables for programs, pictures for slides. */
import { join } from 'node:path';
import { writeFileAtomic } from '../base/atomic.js';
import { makeFolder } from '../base/folders.js';
import type { EvaluationResult } from '../evaluate/result.js';
import { bandMetricsCsv, metricsCsv } from './csv.js';
import { drawFigures } from './figures.js';
import { renderPage } from './page.js';

/**
 * Writes report.html (complete in itself: no file and no network is needed to read it), metrics.csv, band_metrics.csv and
 * pictures/*.png into a folder, which is made. Each file is whole or not there; report.html comes last.
 * @returns the files written
 * @throws BandliftError when a file cannot be written
 */
export async function writeReport(result: EvaluationResult, outDir: string): Promise<string[]> {
  const pictures = join(outDir, 'pictures');
  makeFolder(pictures, 'give another --out');
  const written: string[] = [];
  const write = async (path: string, content: string | Uint8Array) => {
    await writeFileAtomic(path, content);
    written.push(path);
  };
  await write(join(outDir, 'metrics.csv'), metricsCsv(result));
  await write(join(outDir, 'band_metrics.csv'), bandMetricsCsv(result));
  const figures = await drawFigures(result, (name, png) => write(join(pictures, name), png));
  await write(join(outDir, 'report.html'), renderPage(result, figures));
  return written;
}
