#include "cuda/cudnn/graph.h"

namespace bandlift::cuda::cudnn {

namespace {

// Of operations, names, layouts and alignments below, all of which plans kept on disk hold. Raise it with any of them.
constexpr char kGraphVersion[] = "graph 2";

DataType data_type(DType type) {
  return type == DType::f16 ? kHalf : type == DType::bf16 ? kBfloat16 : kFloat;
}

const char* type_text(DType type) {
  return type == DType::f16 ? "f16" : type == DType::bf16 ? "bf16" : "f32";
}

// cuDNN's order of dimensions is n, c, h, w whatever the layout; these are the strides of n, h, w, c in memory.
std::vector<int64_t> channels_last(const std::vector<int64_t>& s) {
  return {s[1] * s[2] * s[3], 1, s[1] * s[3], s[1]};
}

}  // namespace

Fusion fusion_of(const ConvEpilogue& e) {
  return {e.bias != nullptr, e.add != nullptr, e.mask != nullptr, e.relu};
}

std::string describe(const ConvProblem& p, const Fusion& f) {
  const auto number = [](int64_t v) { return std::to_string(v); };
  std::string text = p.pass == ConvPass::forward         ? "forward "
                     : p.pass == ConvPass::backward_data ? "backward_data "
                                                         : "backward_weights ";
  text += number(p.kh) + "x" + number(p.kw);
  text += std::string(" ") + (p.type == DType::f32 && p.tf32 ? "tf32" : type_text(p.type)) + " ";
  text += number(p.n) + "x" + number(p.h) + "x" + number(p.w) + " " + number(p.ci) + "->" + number(p.co);
  if (f.add) text += " +add";
  if (f.bias) text += " +bias";
  if (f.relu) text += " +relu";
  if (f.mask) text += " *mask";
  return text;
}

Graph::Graph(const Target& target, const ConvProblem& p, const Fusion& f, DType weight_gradient)
    : api_(*target.api),
      graph_(api_, kOperationGraphDescriptor),
      text_(std::string(kGraphVersion) + " " + describe(p, f) + ", dw " + type_text(weight_gradient)) {
  const bool backward_data = p.pass == ConvPass::backward_data;
  const bool weights = p.pass == ConvPass::backward_weights;
  const int64_t channels = backward_data ? p.ci : p.co;
  const std::vector<int64_t> image = {p.n, channels, p.h, p.w}, filter = {p.co, p.ci, p.kh, p.kw};

  // What follows the convolution, in order, with its second operand. Each step writes a tensor of its own, the last one
  // the result.
  struct Step {
    PointwiseMode mode;
    int64_t operand;  // a TensorId, or 0
  };
  std::vector<Step> steps;
  if (f.add) steps.push_back({kPointwiseAdd, kAdd});
  if (f.bias) steps.push_back({kPointwiseAdd, kBias});
  if (f.relu) steps.push_back({kPointwiseReluForward, 0});
  if (f.mask) steps.push_back({kPointwiseReluBackward, kMask});

  std::vector<Descriptor> chain;
  for (size_t i = 0; i < steps.size(); ++i)
    chain.push_back(tensor(kFirstVirtual + static_cast<int64_t>(i), DType::f32, image, true));
  const TensorId result = backward_data ? kX : weights ? kW : kY;
  chain.push_back(tensor(result, weights ? weight_gradient : p.type, weights ? filter : image, false));

  convolve(p, chain[0]);
  for (size_t i = 0; i < steps.size(); ++i) {
    const int64_t operand = steps[i].operand;
    if (operand == kBias)
      parts_.push_back(tensor(kBias, DType::f32, {1, channels, 1, 1}, false));
    else if (operand)
      parts_.push_back(tensor(operand, p.type, image, false));
    const Descriptor* other = operand ? &parts_.back() : nullptr;
    pointwise(steps[i].mode, chain[i], other, chain[i + 1]);
  }
  for (Descriptor& d : chain) parts_.push_back(std::move(d));

  if (target.handle) graph_.set(kOperationGraphHandle, target.handle);
  graph_.set(kOperationGraphOperations, operations_);
  graph_.finalize("operation graph of " + describe(p, f));
}

Descriptor Graph::tensor(int64_t id, DType type, const std::vector<int64_t>& shape, bool is_virtual) {
  Descriptor d(api_, kTensorDescriptor);
  d.set(kTensorDataType, data_type(type));
  d.set(kTensorDimensions, shape);
  d.set(kTensorStrides, channels_last(shape));
  d.set(kTensorUniqueId, id);
  d.set(kTensorByteAlignment, kAlignment);
  if (is_virtual) d.set(kTensorIsVirtual, true);
  d.finalize("tensor " + std::to_string(id));
  return d;
}

void Graph::convolve(const ConvProblem& p, const Descriptor& result) {
  Descriptor convolution(api_, kConvolutionDescriptor);
  const std::vector<int64_t> padding = {p.kh / 2, p.kw / 2}, ones = {1, 1};
  convolution.set(kConvolutionComputeType, kFloat);
  convolution.set(kConvolutionMode, kCrossCorrelation);
  convolution.set(kConvolutionSpatialDims, int64_t{2});
  convolution.set(kConvolutionPrePaddings, padding);
  convolution.set(kConvolutionPostPaddings, padding);
  convolution.set(kConvolutionFilterStrides, ones);
  convolution.set(kConvolutionDilations, ones);
  convolution.finalize("convolution");

  const std::vector<int64_t> x_shape = {p.n, p.ci, p.h, p.w}, y_shape = {p.n, p.co, p.h, p.w};
  const std::vector<int64_t> w_shape = {p.co, p.ci, p.kh, p.kw};
  struct Names {
    DescriptorType operation;
    Attribute convolution, x, w, y, alpha, beta;
  };
  const Names names = p.pass == ConvPass::forward         ? Names{kOperationForwardDescriptor,
                                                          kForwardConvolution,
                                                          kForwardX,
                                                          kForwardW,
                                                          kForwardY,
                                                          kForwardAlpha,
                                                          kForwardBeta}
                      : p.pass == ConvPass::backward_data ? Names{kOperationBackwardDataDescriptor,
                                                                  kBackwardDataConvolution,
                                                                  kBackwardDataDx,
                                                                  kBackwardDataW,
                                                                  kBackwardDataDy,
                                                                  kBackwardDataAlpha,
                                                                  kBackwardDataBeta}
                                                          : Names{kOperationBackwardFilterDescriptor,
                                                                  kBackwardFilterConvolution,
                                                                  kBackwardFilterX,
                                                                  kBackwardFilterDw,
                                                                  kBackwardFilterDy,
                                                                  kBackwardFilterAlpha,
                                                                  kBackwardFilterBeta};
  const auto operand = [&](Descriptor& operation, Attribute name, TensorId id, const std::vector<int64_t>& shape) {
    parts_.push_back(tensor(id, p.type, shape, false));
    operation.set(name, parts_.back());
  };
  Descriptor operation(api_, names.operation);
  operation.set(names.convolution, convolution);
  operation.set(names.alpha, 1.0f);
  operation.set(names.beta, 0.0f);
  if (p.pass == ConvPass::backward_data)
    operation.set(names.x, result);
  else
    operand(operation, names.x, kX, x_shape);
  if (p.pass == ConvPass::backward_weights)
    operation.set(names.w, result);
  else
    operand(operation, names.w, kW, w_shape);
  if (p.pass == ConvPass::forward)
    operation.set(names.y, result);
  else
    operand(operation, names.y, kY, y_shape);
  operation.finalize("convolution operation");
  parts_.push_back(std::move(convolution));
  operations_.push_back(std::move(operation));
}

// `other` is the second operand of an addition; for relu's gradient its output, whose sign is that of its input.
void Graph::pointwise(PointwiseMode mode, const Descriptor& from, const Descriptor* other, const Descriptor& to) {
  Descriptor what(api_, kPointwiseDescriptor);
  what.set(kPointwiseMode, mode);
  what.set(kPointwiseMathPrecision, kFloat);
  const NanPropagation propagate = kPropagateNan;  // else ReLU makes 0 of NaN
  if (mode == kPointwiseReluForward) what.set(kPointwiseNanPropagation, kTypeNanPropagation, 1, &propagate);
  what.finalize("pointwise");
  Descriptor operation(api_, kOperationPointwiseDescriptor);
  operation.set(kOperationPointwise, what);
  if (mode == kPointwiseReluBackward) {
    operation.set(kOperationPointwiseDy, from);
    operation.set(kOperationPointwiseX, *other);
    operation.set(kOperationPointwiseDx, to);
  } else {
    operation.set(kOperationPointwiseX, from);
    if (other) operation.set(kOperationPointwiseB, *other);
    operation.set(kOperationPointwiseY, to);
  }
  operation.finalize("pointwise operation");
  parts_.push_back(std::move(what));
  operations_.push_back(std::move(operation));
}

}  // namespace bandlift::cuda::cudnn
