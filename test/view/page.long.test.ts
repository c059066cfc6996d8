/** The viewer in a real browser, as a user has it: the command line's server, its page, mouse and keys. */
import { readFileSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CHROMIUM_ARGUMENTS, describeChromium } from '../support/chromium.js';
import { startBandlift } from '../support/cli.js';
import { temporaryFolder } from '../support/temporary.js';
import { BAD, COARSE, coarseValue, fineValue, WAVELENGTH, writeScenes } from './view_scenes.js';

describeChromium('bandlift view in Chromium', (executablePath) => {
  const folder = temporaryFolder();
  let browser: Browser;
  let running: ReturnType<typeof startBandlift>;
  let address: string;
  beforeAll(async () => {
    const { coarse, fine, sd } = writeScenes(folder);
    browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGUMENTS });
    running = startBandlift(['view', coarse, '--truth', fine, '--uncertainty', sd, '--json'], folder);
    address = await new Promise((resolve, reject) => {
      running.child.stdout!.once('data', (chunk: Buffer) => resolve(JSON.parse(chunk.toString()).address));
      running.child.once('close', () => reject(new Error(running.stderr())));
    });
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    running?.child.kill('SIGKILL');
  });

  /** Until every tile and spectrum is there; the page forbids `eval`, so that it is asked from outside. */
  async function settled(page: Page): Promise<void> {
    let quiet = 0;
    await expect
      .poll(
        async () => {
          const { waiting, reading } = await page.evaluate<Record<string, string>>('({...document.body.dataset})');
          quiet = waiting === '0' && reading === '0' ? quiet + 1 : 0;
          return quiet;
        },
        { timeout: 60_000, interval: 60 },
      )
      .toBeGreaterThan(3);
  }

  async function open(width = 1280, height = 800, hash = '', colorScheme: 'light' | 'dark' = 'light') {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme, acceptDownloads: true });
    const page = await context.newPage();
    const complaints: string[] = [];
    const elsewhere: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => {
      if (!request.url().startsWith(address) && !/^(data|blob):/.test(request.url())) elsewhere.push(request.url());
    });
    await page.goto(`${address}${hash}`);
    await settled(page);
    return { page, context, complaints, elsewhere };
  }

  /** Rows of the table: band, wavelength, a value for each curve; titles first. */
  const rows = (page: Page) =>
    page.evaluate<string[][]>(
      `[...document.querySelectorAll('#table tr')].map((row) => [...row.cells].map((cell) => cell.textContent))`,
    );

  /** The table's rows for a place: the coarse cube's column, then the fine one's. */
  const expectedRows = (line: number, sample: number, fineLine: number, fineSample: number) =>
    WAVELENGTH.map((nm, b) => [
      `${b + 1}`,
      `${nm}`,
      ...(BAD.includes(b) ? ['', ''] : [coarseValue(line, sample, b), fineValue(fineLine, fineSample, b)].map(String)),
    ]);

  const pictures = 'figure canvas';

  /** RGBA of a picture's pixel at a share of its width and height. */
  const colourAt = (page: Page, x: number, y: number, nth = 0) =>
    page.evaluate<number[]>(
      `(() => { const c = document.querySelectorAll('${pictures}')[${nth}];
        return [...c.getContext('2d').getImageData(Math.floor(${x} * c.width), Math.floor(${y} * c.height), 1, 1).data]; })()`,
    );

  it('shows cubes, spectra that equal the files, and asks nobody else', async () => {
    const { page, context, complaints, elsewhere } = await open();
    expect(await page.locator(pictures).count()).toBe(2);
    expect((await colourAt(page, 0.5, 0.5))[3]).toBe(255);
    // zoom 8 about the middle of pixel (row 21, column 33), then a click there
    await context.close();
    const there = await open(1280, 800, '#at=33.5_21.5_8');
    const box = (await there.page.locator(pictures).first().boundingBox())!;
    await there.page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
    await settled(there.page);
    const [titles, ...values] = await rows(there.page);
    expect(titles).toEqual(['band', 'wavelength (nm)', 'pin 1, coarse', 'pin 1, fine']);
    // the middle of the coarse pixel in 4 m pixels: 21.5 * 7.5 and 33.5 * 7.5
    expect(values).toEqual(expectedRows(21, 33, 161, 251));
    const told = /^column 33, row 21; ([\d.]+), ([\d.]+) EPSG:32611; ([\d.]+)°, (-[\d.]+)°$/.exec(
      (await there.page.textContent('#status'))!,
    )!;
    // the mouse points to whole screen pixels, of which 8 are 30 m
    expect(Math.abs(Number(told[1]) - 301005)).toBeLessThanOrEqual(30 / 8);
    expect(Math.abs(Number(told[2]) - 3899355)).toBeLessThanOrEqual(30 / 8);
    expect([...complaints, ...there.complaints, ...elsewhere, ...there.elsewhere]).toEqual([]);
    await there.context.close();
  }, 120_000);

  it('pans with the mouse, zooms with the wheel, and its address brings the view back', async () => {
    const { page, context } = await open(1280, 800, '#at=45_30_8');
    const box = (await page.locator(pictures).first().boundingBox())!;
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x - 80, y - 40, { steps: 4 });
    await page.mouse.up();
    await settled(page);
    const at = async () => new URLSearchParams(new URL(page.url()).hash.slice(1)).get('at')!.split('_').map(Number);
    expect(await at()).toEqual([55, 35, 8]);
    await page.mouse.move(x, y);
    await page.mouse.wheel(0, -300);
    await settled(page);
    const [, , zoom] = await at();
    expect(zoom).toBeCloseTo(16, 4);
    await page.mouse.click(x + 32, y);
    await settled(page);
    const before = await rows(page);
    const again = await open(1280, 800, new URL(page.url()).hash);
    expect(await rows(again.page)).toEqual(before);
    expect(again.page.url()).toBe(page.url());
    await context.close();
    await again.context.close();
  }, 120_000);

  it('does everything by keys alone', async () => {
    const { page, context } = await open(1280, 800, '#at=33.5_21.5_8&cubes=0');
    for (let i = 0; i < 30; i++) {
      await page.keyboard.press('Tab');
      if (await page.evaluate<boolean>(`document.activeElement.matches('${pictures}')`)) break;
    }
    await page.keyboard.press('ArrowRight'); // sets the cursor to the middle
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.keyboard.press('t');
    await settled(page);
    expect(await page.isVisible('#table')).toBe(true);
    expect((await rows(page))[1]![2]).toBe(String(coarseValue(22, 34, 0)));
    await page.keyboard.press('5');
    await page.keyboard.press(']');
    await page.keyboard.press('+');
    await settled(page);
    const query = new URLSearchParams(new URL(page.url()).hash.slice(1));
    // 860 nm is nearest to 850 (band 6), whose next band is 940
    expect([query.get('show'), query.get('one'), query.get('pins')]).toEqual(['one', '940', '34.5_22.5_0_0']);
    expect(Number(query.get('at')!.split('_')[2])).toBe(12);
    await page.keyboard.press('Delete');
    await settled(page);
    expect(new URL(page.url()).hash).toMatch(/pins=$/);
    await context.close();
  }, 120_000);

  it('saves the curves with their bounds, and tells the angle between two', async () => {
    const { page, context } = await open(1280, 800, '#at=45_30_4&pins=33.5_21.5_0_0~60.5_40.5_0_0');
    const waiting = page.waitForEvent('download');
    await page.click('#save-csv');
    const lines = readFileSync(await (await waiting).path(), 'utf8')
      .trim()
      .split('\n');
    expect(lines).toHaveLength(1 + 4 * WAVELENGTH.length);
    const [place, cube, band, nm, value, lower, upper] = lines[1]!.split(',');
    expect([place, cube, band, nm, value]).toEqual(['pin 1', 'coarse', '1', '400', String(coarseValue(21, 33, 0))]);
    expect(Number(upper) - Number(lower)).toBeCloseTo(2 * 0.01, 6);
    await page.selectOption('#angle-b', 'pin 2, coarse');
    const spectra = [coarseValue.bind(null, 21, 33), coarseValue.bind(null, 40, 60)].map((value) =>
      WAVELENGTH.flatMap((_, b) => (BAD.includes(b) ? [] : [value(b)])),
    ) as [number[], number[]];
    const dot = (p: number[], q: number[]) => p.reduce((sum, v, i) => sum + v * q[i]!, 0);
    const [a, b] = spectra;
    const degrees = (Math.acos(dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))) * 180) / Math.PI;
    expect(degrees).toBeGreaterThan(0.5);
    expect(await page.textContent('#angle')).toBe(`${degrees.toFixed(3)} degrees`);
    await context.close();
  }, 120_000);

  it('leaves pixels without data clear', async () => {
    const { page, context } = await open(1280, 800, '#at=3_2_20&cubes=0&layout=single');
    // 3 pixels to the right lie columns 5 and 6, without data in rows 0 to 4; row 8 has data
    expect((await colourAt(page, 0.5, 0.5))[3]).toBe(0);
    const box = (await page.locator(pictures).first().boundingBox())!;
    expect((await colourAt(page, 0.5, 0.5 + (6 * 20) / box.height))[3]).toBe(255);
    await context.close();
  }, 120_000);

  it.each([
    [390, 844],
    [1280, 800],
    [3840, 2160],
  ])(
    'fits a window of %i x %i, light and dark',
    async (width, height) => {
      for (const scheme of ['light', 'dark'] as const) {
        const { page, context, complaints } = await open(width, height, `#pins=${COARSE.samples / 2}_30.5_0_0`, scheme);
        const found = await page.evaluate<{ wide: number; sticking: string[]; unnamed: string[] }>(`({
        wide: document.documentElement.scrollWidth,
        sticking: [...document.querySelectorAll('button, select, input, canvas')].filter((e) => {
          const box = e.getBoundingClientRect();
          return box.width > 0 && (box.left < 0 || box.right > innerWidth + 0.5);
        }).map((e) => e.id),
        unnamed: [...document.querySelectorAll('button, select, input')].filter((e) =>
          !(e.labels?.length || e.textContent.trim() || e.getAttribute('aria-label'))).map((e) => e.id),
      })`);
        await context.close();
        expect(found).toEqual({ wide: width, sticking: [], unnamed: [] });
        expect(complaints).toEqual([]);
      }
    },
    120_000,
  );

  it('ends with Ctrl-C', async () => {
    running.child.kill('SIGINT');
    expect(await running.exited).toEqual({ code: 130, signal: null });
    expect(running.stderr()).toBe('');
  }, 30_000);
});
