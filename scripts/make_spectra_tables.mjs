// Writes the sensor tables of src/spectra/tables/ from the published CSV files:
//   node scripts/make_spectra_tables.mjs oli   RSR.csv  > src/spectra/tables/landsat8_oli.ts
//   node scripts/make_spectra_tables.mjs oli2  RSR.csv  > src/spectra/tables/landsat9_oli2.ts
//   node scripts/make_spectra_tables.mjs aviris-ng BANDS.csv > src/spectra/tables/aviris_ng_2017.ts
// RSR.csv: band,wavelength_nm,response[,stdev] at 1 nm; BANDS.csv: band,wavelength_nm_2017,fwhm_nm_2017,...
import { readFileSync } from 'node:fs';

const [kind, path] = process.argv.slice(2);
const [header, ...lines] = readFileSync(path, 'utf8').trim().split(/\r?\n/);
const columns = header.split(',');
const rows = lines.map((line) => Object.fromEntries(line.split(',').map((value, i) => [columns[i], value])));

// Band 8 is panchromatic and band 9 cirrus; the seven reflective bands are 1 to 7.
const NAMES = ['coastal', 'blue', 'green', 'red', 'nir', 'swir1', 'swir2'];
const SENSORS = {
  oli: {
    constant: 'LANDSAT8_OLI_TABLE',
    sensor: 'Landsat 8 OLI',
    source:
      'Barsi, J. A., Lee, K., Kvaran, G., Markham, B. L., Pedelty, J. A. (2014): The Spectral Response of the Landsat-8 Operational Land Imager. Remote Sensing 6(10), 10232-10251; band averages, NASA/USGS',
  },
  oli2: {
    constant: 'LANDSAT9_OLI2_TABLE',
    sensor: 'Landsat 9 OLI-2',
    source: 'Landsat 9 OLI-2 relative spectral response, band averages, NASA/USGS Landsat Calibration and Validation',
  },
};

const list = (values) => `[${values.join(', ')}]`;

function responseTable({ constant, sensor, source }) {
  const bands = NAMES.map((name, i) => {
    const band = rows.filter((row) => Number(row.band) === i + 1);
    const start = Number(band[0].wavelength_nm);
    band.forEach((row, k) => {
      if (Number(row.wavelength_nm) !== start + k) throw new Error(`band ${i + 1} is not sampled at 1 nm at row ${k}`);
    });
    return `    { name: '${name}', start: ${start}, values: ${list(band.map((row) => Number(row.response)))} },`;
  });
  return `/** ${sensor}: relative spectral response of the seven reflective bands. Written by scripts/make_spectra_tables.mjs. */
import type { ResponseTable } from '../response.js';

export const ${constant}: ResponseTable = {
  sensor: '${sensor}',
  source: '${source}',
  // values[k] is the response at start + k nm.
  bands: [
${bands.join('\n')}
  ],
};
`;
}

function bandTable() {
  const column = (name) => list(rows.map((row) => Number(row[name])));
  return `/**
 * AVIRIS-NG, calibration of 2017: centres and full widths at half maximum of its 425 bands, in nm, as in the headers of
 * the flight lines distributed by NASA/JPL. Written by scripts/make_spectra_tables.mjs.
 */
export const AVIRIS_NG_WAVELENGTH: readonly number[] = ${column('wavelength_nm_2017')};

export const AVIRIS_NG_FWHM: readonly number[] = ${column('fwhm_nm_2017')};
`;
}

process.stdout.write(kind === 'aviris-ng' ? bandTable() : responseTable(SENSORS[kind]));
