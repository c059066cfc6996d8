// Damaged Landsat metadata in its three forms; the options are those of harness.mjs.
import { readFileSync, renameSync } from 'node:fs';
import { readLandsatMetadata } from '../../dist/src/scenes/landsat_mtl.js';
import { damage, fuzz } from './harness.mjs';

const factors = Array.from({ length: 7 }, (_, b) => [
  [`REFLECTANCE_MULT_BAND_${b + 1}`, '2.75e-05'],
  [`REFLECTANCE_ADD_BAND_${b + 1}`, '-0.2'],
]).flat();
const groups = [
  ['PRODUCT_CONTENTS', [['PROCESSING_LEVEL', 'L2SP']]],
  ['IMAGE_ATTRIBUTES', [['SPACECRAFT_ID', 'LANDSAT_8']]],
  ['LEVEL2_SURFACE_REFLECTANCE_PARAMETERS', factors],
];
const top = 'LANDSAT_METADATA_FILE';
const written = {
  json: JSON.stringify({
    [top]: Object.fromEntries(groups.map(([name, entries]) => [name, Object.fromEntries(entries)])),
  }),
  xml: `<${top}>\n${groups.map(([name, entries]) => `<${name}>\n${entries.map(([k, v]) => `<${k}>${v}</${k}>`).join('\n')}\n</${name}>`).join('\n')}\n</${top}>\n`,
  txt: `GROUP = ${top}\n${groups.map(([name, entries]) => `  GROUP = ${name}\n${entries.map(([k, v]) => `    ${k} = ${v}`).join('\n')}\n  END_GROUP = ${name}`).join('\n')}\nEND_GROUP = ${top}\nEND\n`,
};

/** JSON that is whole, but holds something else: what damage to bytes seldom makes. */
const OTHER = [
  'null',
  '1',
  '[]',
  '{}',
  `{"${top}":null}`,
  `{"${top}":[1]}`,
  `{"${top}":{"LEVEL2_SURFACE_REFLECTANCE_PARAMETERS":5}}`,
];

function mutate(original, random) {
  if (random() < 0.1) return Buffer.from(OTHER[Math.floor(random() * OTHER.length)]);
  return damage(original, random);
}

await fuzz({
  extension: '.mtl',
  healthy: Object.values(written).map((text) => Buffer.from(text)),
  mutate,
  async read(path, random) {
    // most often under the name that fits
    const fitting = { '{': 'json', '<': 'xml', G: 'txt' }[readFileSync(path, 'latin1')[0]];
    const any = Object.keys(written)[Math.floor(random() * 3)];
    const named = `${path}.${random() < 0.8 ? (fitting ?? any) : any}`;
    renameSync(path, named);
    try {
      await readLandsatMetadata({ paths: [named], members: new Map() }, named);
    } finally {
      renameSync(named, path);
    }
  },
});
