/** metrics.json: the numbers of an evaluation for other programs. */
import type { EvaluationResult } from './result.js';

/** The result without its pictures and scatter points; numbers that are not finite are null. */
export function metricsJson(result: EvaluationResult): string {
  const { pictures, scatter: _, ...numbers } = result;
  const shown = pictures.map(({ patch, scene, height, width }) => ({ patch, scene, height, width }));
  const text = JSON.stringify({ ...numbers, pictures: shown }, null, 1);
  // lists of numbers on one line
  return `${text.replace(/\[\s+((?:[-\d.eE+]+|null)(?:,\s+(?:[-\d.eE+]+|null))*)\s+\]/g, (_, list: string) => `[${list.replace(/\s+/g, '')}]`)}\n`;
}
