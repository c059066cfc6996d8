// A library with nothing in it, for tests of which libraries are opened: copied under the names of CUDA's.
extern "C" __attribute__((visibility("default"))) int bandlift_fake_nvrtc() {
  return 0;
}
