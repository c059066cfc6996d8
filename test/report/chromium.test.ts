/** The report in a real browser: nothing is fetched, nothing is broken, nothing sticks out. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeReport } from '../../src/report/index.js';
import { CHROMIUM_ARGUMENTS, describeChromium } from '../support/chromium.js';
import { temporaryFolder } from '../support/temporary.js';
import { madeUp, STAGE1, stage1, stage2 } from './made_up.js';

const folder = temporaryFolder();
const results = {
  'stage 1': stage1(),
  'stage 2': stage2(),
  'without wavelengths': madeUp({
    stage: 'stage 1',
    methods: STAGE1.slice(2, 5),
    withWavelengths: false,
    size: 64,
    patches: 1,
  }),
};

interface Survey {
  scrollWidth: number;
  images: [complete: boolean, naturalWidth: number, hasAlt: boolean][];
  scripts: number;
  rows: number[];
  charts: { width: number; texts: number; outside: string[] }[];
  ids: string[];
}

// runs in the page, whose types (lib dom) the project does not have
const SURVEY = `(() => ({
  scrollWidth: document.documentElement.scrollWidth,
  images: [...document.images].map((image) => [image.complete, image.naturalWidth, image.alt.length > 0]),
  scripts: document.scripts.length,
  rows: [...document.querySelectorAll('table.metrics')].map(
    (table) => table.querySelectorAll('tbody tr:not(.group)').length,
  ),
  charts: [...document.querySelectorAll('svg.chart')].map((svg) => {
    const box = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].filter((text) => text.textContent);
    const outside = texts.filter((text) => {
      const t = text.getBoundingClientRect();
      return t.left < box.left - 1 || t.right > box.right + 1 || t.top < box.top - 1 || t.bottom > box.bottom + 1;
    });
    return { width: box.width, texts: texts.length, outside: outside.map((text) => text.textContent) };
  }),
  ids: [...document.querySelectorAll('[id]')].map((element) => element.id),
}))()`;

describeChromium('report.html in Chromium', (executablePath) => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGUMENTS });
    for (const [name, result] of Object.entries(results)) await writeReport(result, join(folder, name));
  });
  afterAll(() => browser?.close());

  async function open(name: string, width: number, colorScheme: 'light' | 'dark' = 'light') {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, offline: true });
    const url = pathToFileURL(join(folder, name, 'report.html')).href;
    const requests: string[] = [];
    const complaints: string[] = [];
    await context.route('**/*', (route) => {
      const asked = route.request().url();
      return asked === url || asked.startsWith('data:') ? route.continue() : route.abort();
    });
    const page = await context.newPage();
    page.on('request', (request) => {
      if (!request.url().startsWith('data:')) requests.push(request.url());
    });
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(url);
    await page.evaluate('document.fonts.ready.then(() => undefined)');
    return { page, context, url, requests, complaints };
  }

  for (const [name, result] of Object.entries(results))
    for (const width of [1280, 390])
      it(`${name}, ${width} px wide: whole, quiet, and no wider than the window`, async () => {
        const { page, context, url, requests, complaints } = await open(name, width);
        const found = await page.evaluate<Survey>(SURVEY);
        await context.close();
        expect(requests).toEqual([url]);
        expect(complaints).toEqual([]);
        expect(found.scrollWidth).toBe(width);
        expect(found.scripts).toBe(0);
        expect(found.images).toHaveLength(result.pictures.reduce((n, set) => n + set.rgb.length + set.maps.length, 0));
        for (const image of found.images) expect(image).toEqual([true, result.data.width, true]);
        expect(found.rows).toEqual(Array(result.wavelength ? 4 : 1).fill(result.methods.length));
        expect(found.charts).toHaveLength(5 + result.spectra.length + result.scatter.length);
        for (const chart of found.charts) {
          expect(chart.outside).toEqual([]);
          expect(chart.texts).toBeGreaterThan(6);
          expect(chart.width).toBeGreaterThan(180);
        }
        expect(new Set(found.ids).size).toBe(found.ids.length);
      });

  it('is dark where the reader wants it dark, its lines too', async () => {
    const look = async (scheme: 'light' | 'dark') => {
      const { page, context } = await open('stage 1', 1280, scheme);
      const found = await page.evaluate<Record<'page' | 'ink' | 'truth', string>>(`({
        page: getComputedStyle(document.body).backgroundColor,
        ink: getComputedStyle(document.body).color,
        truth: getComputedStyle(document.querySelector('#spectra svg.chart path[stroke="#1a1a1a"]')).stroke,
      })`);
      await context.close();
      return found;
    };
    expect(await look('light')).toEqual({
      page: 'rgb(255, 255, 255)',
      ink: 'rgb(31, 35, 40)',
      truth: 'rgb(26, 26, 26)',
    });
    expect(await look('dark')).toEqual({
      page: 'rgb(20, 23, 28)',
      ink: 'rgb(230, 237, 243)',
      truth: 'rgb(240, 243, 246)',
    });
  });

  it('shows pixels as squares and keeps the numbers of a column aligned', async () => {
    const { page, context } = await open('stage 2', 1280);
    const found = await page.evaluate<{ rendering: string; rights: number[] }>(`({
      rendering: getComputedStyle(document.querySelector('.panels img')).imageRendering,
      rights: [...document.querySelectorAll('table[data-region="all"] tbody tr:not(.group) td:nth-child(3)')].map((td) => {
        const range = document.createRange();
        range.selectNodeContents(td.firstChild);
        return Math.round(range.getBoundingClientRect().right);
      }),
    })`);
    await context.close();
    expect(found.rendering).toBe('pixelated');
    expect(found.rights).toHaveLength(3);
    expect(new Set(found.rights).size).toBe(1);
  });
});
