/** Spectra of the picked pixels and pictures of the picked patches: a second pass over these patches alone. */
import type { LoadedBatch } from '../data/types.js';
import { type MeasuredData, predictedPatch, READING, truePatch } from './measure.js';
import type { Method } from './method.js';
import type { TitledPixel } from './picks.js';
import type { PictureSet, SpectrumExample } from './result.js';
import { compositeBands } from './rgb.js';
import type { EvaluationPool } from './worker_pool.js';
import type { ColourChoice, PredictedPatch } from './worker_protocol.js';

/** How the input of a patch becomes a picture beside those of the truth. */
export interface InputPicture {
  readonly label: string;
  readonly bands: number;
  readonly height: number;
  readonly width: number;
  /** Red, green, blue. */
  readonly chosen: readonly [number, number, number];
}

/** What is known of one patch so far. */
interface Shown {
  readonly colours: ColourChoice;
  /** Of the input; none for patches that are only read for their pixels. */
  readonly input?: Uint8Array;
  readonly truthRgb: Uint8Array;
  /** [its pixels, bands] */
  readonly truth: Float32Array;
  readonly methods: { label: string; rgb: Uint8Array; spectra: Float32Array }[];
  maps: PictureSet['maps'];
}

export interface ExampleChoice {
  readonly pixels: readonly TitledPixel[];
  /** Patches to draw. */
  readonly pictures: readonly number[];
  readonly input: InputPicture;
  /** Of the truth, nm. */
  readonly wavelength?: Float64Array;
  /** For the map of errors. */
  readonly units: string;
  readonly sceneOf: (patch: number) => string;
}

export class Examples {
  readonly #data: MeasuredData;
  readonly #pool: EvaluationPool;
  readonly #choice: ExampleChoice;
  readonly #patches: readonly number[];
  readonly #shown = new Map<number, Shown>();

  constructor(data: MeasuredData, pool: EvaluationPool, choice: ExampleChoice) {
    this.#data = data;
    this.#pool = pool;
    this.#choice = choice;
    this.#patches = [...new Set([...choice.pictures, ...choice.pixels.map((p) => p.patch)])].sort((a, b) => a - b);
  }

  /** Reads the truth and the input, whose stretch everything else is drawn with. */
  async addTruth(): Promise<void> {
    const { bands, height, width } = this.#data;
    const { input, pictures, wavelength } = this.#choice;
    const chosen = compositeBands(bands, wavelength);
    for await (const batch of this.#batches()) {
      const patch = batch.patches[0]!;
      const truth = truePatch(this.#data, batch.target, batch.mask);
      const colours = { bands: chosen, ...(await this.#pool.ask('stretch', { patch: truth, bands: chosen })) };
      const itself = { ...truth, prediction: new Float32Array(batch.target) };
      const { rgb, spectra } = await this.#example(batch, itself, colours);
      const picture = pictures.includes(patch)
        ? await this.#pool.ask('colours', {
            values: batch.input,
            ...input,
            outHeight: height,
            outWidth: width,
            choice: { ...colours, bands: input.chosen },
          })
        : undefined;
      this.#shown.set(patch, {
        colours,
        ...(picture ? { input: picture.rgb } : {}),
        truthRgb: rgb,
        truth: spectra,
        methods: [],
        maps: [],
      });
      batch.release();
    }
  }

  /** Adds a method's predictions, in the order they are shown; the error maps are those of the model. */
  async addMethod(method: Method): Promise<void> {
    const predictor = await method.open();
    try {
      for await (const batch of this.#batches(method)) {
        const shown = this.#shown.get(batch.patches[0]!)!;
        const prediction = await predictor.predict(batch);
        const isModel = method.role === 'model';
        const patch = predictedPatch(this.#data, batch, prediction, method);
        const reply = await this.#example(batch, patch, shown.colours, isModel);
        shown.methods.push({ label: method.label, rgb: reply.rgb, spectra: reply.spectra });
        if (reply.maps)
          shown.maps = [
            { label: 'spectral angle', unit: 'degrees', values: reply.maps.angles },
            { label: 'RMSE over bands', unit: this.#choice.units, values: reply.maps.rmse },
          ];
        batch.release();
      }
    } finally {
      predictor.close();
    }
  }

  get spectra(): SpectrumExample[] {
    const { bands, width, regions } = this.#data;
    const { mask } = regions[0]!;
    return this.#choice.pixels.map((pixel) => {
      const { title, patch, y, x } = pixel;
      const at = this.#pixelsOf(patch).indexOf(pixel);
      const spectrum = (values: Float32Array) =>
        Array.from(values.subarray(at * bands, (at + 1) * bands), (v, b) => (mask[b] === 0 ? Number.NaN : v));
      const shown = this.#shown.get(patch)!;
      return {
        title,
        patch,
        y,
        x,
        samDeg: shown.maps[0]!.values[y * width + x],
        truth: spectrum(shown.truth),
        predictions: shown.methods.map(({ label, spectra }) => ({ label, values: spectrum(spectra) })),
      };
    });
  }

  get pictures(): PictureSet[] {
    const { height, width } = this.#data;
    const { input, pictures, sceneOf } = this.#choice;
    return pictures.map((patch) => {
      const shown = this.#shown.get(patch)!;
      const rgb = [
        { label: input.label, pixels: shown.input! },
        ...shown.methods.map(({ label, rgb: pixels }) => ({ label, pixels })),
        { label: 'truth', pixels: shown.truthRgb },
      ];
      return { patch, scene: sceneOf(patch), height, width, rgb, maps: shown.maps };
    });
  }

  #pixelsOf(patch: number): TitledPixel[] {
    return this.#choice.pixels.filter((p) => p.patch === patch);
  }

  #batches(method?: Method): AsyncGenerator<LoadedBatch> {
    const { reader, masked } = this.#data;
    const normalize = method?.normalizeInput ? { input: method.normalizeInput } : {};
    return reader.batches({ patches: this.#patches, ...READING, mask: masked, normalize, nonNegative: true });
  }

  /** @param patch its prediction is handed over to a worker */
  async #example(batch: LoadedBatch, patch: PredictedPatch, choice: ColourChoice, maps = false) {
    const pixels = this.#pixelsOf(batch.patches[0]!).map(({ y, x }) => y * this.#data.width + x);
    const request = { patch, mask: this.#data.regions[0]!.mask, choice, maps, pixels };
    return this.#pool.ask('example', request, [patch.prediction.buffer as ArrayBuffer]);
  }
}
