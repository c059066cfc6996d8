// convert: y = x, the same numbers in dense order (n, h, w, c) under another type, pitch or shape.
//
// The bridge between numbers as they come from outside (f32, unpadded) and as a device keeps its images (f16 or bf16,
// pixels padded to 16 bytes), and the reshape of an image whose channels change. Rounds to nearest, ties to even.
// The CPU stores images as f32 only; there it moves numbers between pitches and shapes.
