// The one table of instructions: name, operands in the order of backend.h, number of scalar parameters.
// An operand is "name", with '~' for an image of the device's storage type (all of one instruction have the same, but
// for convert), '*' for f64, '?' for optional; all others are f32. `workspace?` comes last where the method has one.
#pragma once
#include <cstddef>

namespace bandlift {

enum class Opcode : int {
  convert,
  gather_patches,
  conv2d_forward,
  conv2d_backward_data,
  conv2d_backward_weights,
  activation_forward,
  activation_backward,
  add,
  fill,
  global_mean_forward,
  global_mean_backward,
  gate_forward,
  gate_backward_gate,
  gate_backward_input,
  softmax_mixing_forward,
  softmax_mixing_backward,
  quadratic_features_forward,
  quadratic_features_backward,
  resample,
  neighbourhood_bounds,
  clamp_forward,
  clamp_backward,
  count_clamped,
  spectral_loss,
  spectral_metrics,
  normal_equations,
  count_values,
  grad_norm,
  adam,
};

struct OpcodeInfo {
  const char* name;
  const char* operands;
  int params;
};

inline constexpr OpcodeInfo kOpcodes[] = {
    {"convert", "x~ y~", 0},
    {"gather_patches", "source places* y~", 1},
    {"conv2d_forward", "x~ w b? residual~? y~ workspace?", 5},
    {"conv2d_backward_data", "dy~ w add~? mask~? dx~ workspace?", 5},
    {"conv2d_backward_weights", "x~ dy~ dw db? workspace?", 5},
    {"activation_forward", "x~ y~", 1},
    {"activation_backward", "y~ dy~ dx~", 1},
    {"add", "a~ b~ y~", 0},
    {"fill", "y", 1},
    {"global_mean_forward", "x~ y", 0},
    {"global_mean_backward", "dy dx~", 0},
    {"gate_forward", "x~ gate residual~? y~", 0},
    {"gate_backward_gate", "dy~ x~ dgate", 0},
    {"gate_backward_input", "dy~ gate dmean? mask~? dx~", 0},
    {"softmax_mixing_forward", "logits~ endmembers abundances~ y~", 0},
    {"softmax_mixing_backward", "dy~ abundances~ endmembers dlogits~ dendmembers workspace?", 0},
    {"quadratic_features_forward", "x~ y~", 0},
    {"quadratic_features_backward", "dy~ x~ dx~", 0},
    {"resample", "x~ rows columns residual~? y~ workspace?", 0},
    {"neighbourhood_bounds", "x~ floor low~ high~", 2},
    {"clamp_forward", "x~ low~ high~ rows columns y~", 0},
    {"clamp_backward", "y~ low~ high~ rows columns dy~ dx~", 0},
    {"count_clamped", "y~ low~ high~ rows columns counts~", 0},
    {"spectral_loss", "pred~ target pixel_mask? band_mask? valid_pixels* terms* dpred~? workspace?", 4},
    {"spectral_metrics", "pred~ target pixel_mask? scale offset sums* workspace?", 0},
    {"normal_equations", "features y pixel_mask? gram* cross* workspace?", 0},
    {"count_values", "values pixel_mask? band_mask? prefixes* counts* workspace?", 2},
    {"grad_norm", "g loss_terms*? norm* scalars workspace?", 0},
    {"adam", "g scalars param m v ema?", 3},
};
inline constexpr size_t kOpcodeCount = sizeof kOpcodes / sizeof kOpcodes[0];

}  // namespace bandlift
