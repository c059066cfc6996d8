#include "descriptors.h"

#include <cstring>
#include <set>

namespace fake_cudnn {

using namespace api;

namespace {

// Everything that may be set: its descriptor, its type, and how many (0: any number).
struct Rule {
  DescriptorType descriptor;
  AttributeType type;
  int count;
  bool required;
};

const std::map<int, Rule>& rules() {
  static const std::map<int, Rule> all = {
      {kPointwiseMode, {kPointwiseDescriptor, kTypePointwiseMode, 1, true}},
      {kPointwiseMathPrecision, {kPointwiseDescriptor, kTypeDataType, 1, true}},
      {kPointwiseNanPropagation, {kPointwiseDescriptor, kTypeNanPropagation, 1, false}},
      {kConvolutionComputeType, {kConvolutionDescriptor, kTypeDataType, 1, true}},
      {kConvolutionMode, {kConvolutionDescriptor, kTypeConvolutionMode, 1, true}},
      {kConvolutionDilations, {kConvolutionDescriptor, kTypeInt64, 2, true}},
      {kConvolutionFilterStrides, {kConvolutionDescriptor, kTypeInt64, 2, true}},
      {kConvolutionPostPaddings, {kConvolutionDescriptor, kTypeInt64, 2, true}},
      {kConvolutionPrePaddings, {kConvolutionDescriptor, kTypeInt64, 2, true}},
      {kConvolutionSpatialDims, {kConvolutionDescriptor, kTypeInt64, 1, true}},
      {kHeuristicMode, {kEngineHeuristicDescriptor, kTypeHeuristicMode, 1, true}},
      {kHeuristicOperationGraph, {kEngineHeuristicDescriptor, kTypeDescriptor, 1, true}},
      {kEngineConfigEngine, {kEngineConfigDescriptor, kTypeDescriptor, 1, true}},
      {kEngineConfigKnobChoices, {kEngineConfigDescriptor, kTypeDescriptor, 0, false}},
      {kPlanHandle, {kExecutionPlanDescriptor, kTypeHandle, 1, true}},
      {kPlanEngineConfig, {kExecutionPlanDescriptor, kTypeDescriptor, 1, false}},
      {kPlanJson, {kExecutionPlanDescriptor, kTypeChar, 0, false}},
      {kKnobChoiceType, {kKnobChoiceDescriptor, kTypeKnobType, 1, true}},
      {kKnobChoiceValue, {kKnobChoiceDescriptor, kTypeInt64, 1, true}},
      {kForwardAlpha, {kOperationForwardDescriptor, kTypeFloat, 1, true}},
      {kForwardBeta, {kOperationForwardDescriptor, kTypeFloat, 1, true}},
      {kForwardConvolution, {kOperationForwardDescriptor, kTypeDescriptor, 1, true}},
      {kForwardW, {kOperationForwardDescriptor, kTypeDescriptor, 1, true}},
      {kForwardX, {kOperationForwardDescriptor, kTypeDescriptor, 1, true}},
      {kForwardY, {kOperationForwardDescriptor, kTypeDescriptor, 1, true}},
      {kBackwardDataAlpha, {kOperationBackwardDataDescriptor, kTypeFloat, 1, true}},
      {kBackwardDataBeta, {kOperationBackwardDataDescriptor, kTypeFloat, 1, true}},
      {kBackwardDataConvolution, {kOperationBackwardDataDescriptor, kTypeDescriptor, 1, true}},
      {kBackwardDataW, {kOperationBackwardDataDescriptor, kTypeDescriptor, 1, true}},
      {kBackwardDataDx, {kOperationBackwardDataDescriptor, kTypeDescriptor, 1, true}},
      {kBackwardDataDy, {kOperationBackwardDataDescriptor, kTypeDescriptor, 1, true}},
      {kBackwardFilterAlpha, {kOperationBackwardFilterDescriptor, kTypeFloat, 1, true}},
      {kBackwardFilterBeta, {kOperationBackwardFilterDescriptor, kTypeFloat, 1, true}},
      {kBackwardFilterConvolution, {kOperationBackwardFilterDescriptor, kTypeDescriptor, 1, true}},
      {kBackwardFilterDw, {kOperationBackwardFilterDescriptor, kTypeDescriptor, 1, true}},
      {kBackwardFilterX, {kOperationBackwardFilterDescriptor, kTypeDescriptor, 1, true}},
      {kBackwardFilterDy, {kOperationBackwardFilterDescriptor, kTypeDescriptor, 1, true}},
      {kOperationPointwise, {kOperationPointwiseDescriptor, kTypeDescriptor, 1, true}},
      {kOperationPointwiseX, {kOperationPointwiseDescriptor, kTypeDescriptor, 1, true}},
      {kOperationPointwiseB, {kOperationPointwiseDescriptor, kTypeDescriptor, 1, false}},
      {kOperationPointwiseY, {kOperationPointwiseDescriptor, kTypeDescriptor, 1, false}},
      {kOperationPointwiseDx, {kOperationPointwiseDescriptor, kTypeDescriptor, 1, false}},
      {kOperationPointwiseDy, {kOperationPointwiseDescriptor, kTypeDescriptor, 1, false}},
      {kOperationGraphHandle, {kOperationGraphDescriptor, kTypeHandle, 1, true}},
      {kOperationGraphOperations, {kOperationGraphDescriptor, kTypeDescriptor, 0, true}},
      {kTensorByteAlignment, {kTensorDescriptor, kTypeInt64, 1, true}},
      {kTensorDataType, {kTensorDescriptor, kTypeDataType, 1, true}},
      {kTensorDimensions, {kTensorDescriptor, kTypeInt64, 4, true}},
      {kTensorStrides, {kTensorDescriptor, kTypeInt64, 4, true}},
      {kTensorUniqueId, {kTensorDescriptor, kTypeInt64, 1, true}},
      {kTensorIsVirtual, {kTensorDescriptor, kTypeBoolean, 1, false}},
      {kVariantPackUniqueIds, {kVariantPackDescriptor, kTypeInt64, 0, true}},
      {kVariantPackDataPointers, {kVariantPackDescriptor, kTypeVoidPointer, 0, true}},
      {kVariantPackWorkspace, {kVariantPackDescriptor, kTypeVoidPointer, 1, false}},
      {kEngineOperationGraph, {kEngineDescriptor, kTypeDescriptor, 1, true}},
      {kEngineGlobalIndex, {kEngineDescriptor, kTypeInt64, 1, true}},
  };
  return all;
}

std::string name(int attribute) {
  return "attribute " + std::to_string(attribute);
}

void finalize_tensor(const Descriptor& d) {
  const auto& s = d.value(kTensorDimensions).numbers;
  const auto& strides = d.value(kTensorStrides).numbers;
  for (int64_t size : s) require(size > 0, kBadParam, "a tensor's dimensions must be positive");
  const std::vector<int64_t> channels_last = {s[1] * s[2] * s[3], 1, s[1] * s[3], s[1]};
  require(strides == channels_last, kNotSupported, "only dense channels-last tensors");
  const int64_t alignment = d.number(kTensorByteAlignment);
  require(alignment > 0 && (alignment & (alignment - 1)) == 0, kBadParam, "alignment must be a power of two");
  const int64_t type = d.number(kTensorDataType);
  require(type == kFloat || type == kHalf || type == kBfloat16, kNotSupported, "data type of a tensor");
}

void finalize_convolution(const Descriptor& d) {
  require(d.number(kConvolutionSpatialDims) == 2, kNotSupported, "two spatial dimensions");
  require(d.number(kConvolutionComputeType) == kFloat, kNotSupported, "sums in float only");
  for (Attribute a : {kConvolutionDilations, kConvolutionFilterStrides})
    for (int64_t v : d.value(a).numbers) require(v == 1, kNotSupported, "stride and dilation 1 only");
}

void finalize_pointwise(const Descriptor& d) {
  const int64_t mode = d.link(kOperationPointwise).number(kPointwiseMode);
  const bool backward = mode == kPointwiseReluBackward;
  require(d.has(kOperationPointwiseB) == (mode == kPointwiseAdd), kBadParam, "second operand of a pointwise operation");
  require(d.has(kOperationPointwiseY) != backward, kBadParam, "output of a pointwise operation");
  require(d.has(kOperationPointwiseDx) == backward && d.has(kOperationPointwiseDy) == backward, kBadParam,
          "gradients of a pointwise operation");
}

}  // namespace

const Value& Descriptor::value(Attribute a) const {
  const auto it = values.find(a);
  require(it != values.end(), kBadParam, name(a) + " was not set");
  return it->second;
}

size_t element_bytes(AttributeType type) {
  switch (type) {
    case kTypeBoolean:
    case kTypeChar:
      return 1;
    case kTypeHandle:
    case kTypeInt64:
    case kTypeVoidPointer:
    case kTypeDescriptor:
      return 8;
    default:
      return 4;
  }
}

void set_attribute(Descriptor& d, Attribute a, AttributeType type, int64_t count, const void* elements) {
  require(!d.finalized, kBadParam, "the descriptor is finalized");
  const auto rule = rules().find(a);
  require(rule != rules().end() && rule->second.descriptor == d.type, kBadParam,
          name(a) + " is not of this descriptor");
  require(rule->second.type == type, kBadAttributeType, name(a) + " has another type");
  require(count > 0 && (rule->second.count == 0 || rule->second.count == count), kBadParam, name(a) + " count");
  require(elements != nullptr, kNullPointer, name(a) + " elements");
  if (a == kPlanJson || a == kPlanEngineConfig) {
    require(d.has(kPlanHandle), kBadParam, "a plan's handle is set first");
    require(!d.has(a == kPlanJson ? kPlanEngineConfig : kPlanJson), kBadParam,
            "a plan is configured or read, not both");
  }
  Value value;
  value.type = type;
  const auto* bytes = static_cast<const char*>(elements);
  for (int64_t i = 0; i < count; ++i) {
    int64_t number = 0;
    std::memcpy(&number, bytes + static_cast<size_t>(i) * element_bytes(type), element_bytes(type));
    if (type == kTypeDescriptor) {
      require(number != 0, kNullPointer, name(a) + " is null");
      const auto& link = *reinterpret_cast<const std::shared_ptr<Descriptor>*>(number);
      require(link->finalized, kNotFinalized, name(a) + " is not finalized");
      value.descriptors.push_back(link);
    } else {
      value.numbers.push_back(number);
    }
  }
  d.values[a] = std::move(value);
}

void finalize(Descriptor& d) {
  require(!d.finalized, kBadParam, "finalized twice");
  for (const auto& [attribute, rule] : rules())
    if (rule.descriptor == d.type && rule.required) d.value(static_cast<Attribute>(attribute));
  if (d.type == kTensorDescriptor) finalize_tensor(d);
  if (d.type == kConvolutionDescriptor) finalize_convolution(d);
  if (d.type == kOperationPointwiseDescriptor) finalize_pointwise(d);
  if (d.type == kOperationGraphDescriptor) understand(d);
  if (d.type == kExecutionPlanDescriptor)
    require(d.has(kPlanEngineConfig) || d.has(kPlanJson), kBadParam, "a plan of nothing");
  if (d.type == kVariantPackDescriptor) {
    const auto& ids = d.value(kVariantPackUniqueIds).numbers;
    require(ids.size() == d.value(kVariantPackDataPointers).numbers.size(), kBadParam, "as many pointers as ids");
    require(std::set<int64_t>(ids.begin(), ids.end()).size() == ids.size(), kBadParam, "an id twice");
  }
  d.finalized = true;
}

Problem understand(const Descriptor& graph) {
  const auto& operations = graph.value(kOperationGraphOperations).descriptors;
  const Descriptor& first = *operations[0];
  Problem p{};
  p.convolution = first.type;
  const bool forward = first.type == kOperationForwardDescriptor;
  const bool data = first.type == kOperationBackwardDataDescriptor;
  require(forward || data || first.type == kOperationBackwardFilterDescriptor, kNotSupported,
          "a graph starts with a convolution");
  const Descriptor& x = first.link(forward ? kForwardX : data ? kBackwardDataDx : kBackwardFilterX);
  const Descriptor& w = first.link(forward ? kForwardW : data ? kBackwardDataW : kBackwardFilterDw);
  const Descriptor& y = first.link(forward ? kForwardY : data ? kBackwardDataDy : kBackwardFilterDy);
  const Descriptor& c = first.link(forward ? kForwardConvolution
                                   : data  ? kBackwardDataConvolution
                                           : kBackwardFilterConvolution);
  float alpha = 0, beta = 1;
  const auto scale = [&](float& value, Attribute a) {
    const auto bits = static_cast<uint32_t>(first.number(a));
    std::memcpy(&value, &bits, sizeof value);
  };
  scale(alpha, forward ? kForwardAlpha : data ? kBackwardDataAlpha : kBackwardFilterAlpha);
  scale(beta, forward ? kForwardBeta : data ? kBackwardDataBeta : kBackwardFilterBeta);
  require(alpha == 1 && beta == 0, kNotSupported, "alpha 1 and beta 0 only");

  const auto size = [](const Descriptor& tensor, size_t i) { return tensor.number(kTensorDimensions, i); };
  p.n = size(x, 0), p.ci = size(x, 1), p.h = size(x, 2), p.w = size(x, 3);
  p.co = size(w, 0), p.kh = size(w, 2), p.kw = size(w, 3);
  p.pad_h = c.number(kConvolutionPrePaddings, 0), p.pad_w = c.number(kConvolutionPrePaddings, 1);
  const int64_t out_h = p.h + p.pad_h + c.number(kConvolutionPostPaddings, 0) - p.kh + 1;
  const int64_t out_w = p.w + p.pad_w + c.number(kConvolutionPostPaddings, 1) - p.kw + 1;
  require(size(w, 1) == p.ci, kBadParam, "channels of the filter");
  require(y.value(kTensorDimensions).numbers == std::vector<int64_t>({p.n, p.co, out_h, out_w}), kBadParam,
          "shape of a convolution's result");
  require(out_h == p.h && out_w == p.w, kNotSupported, "results of the input's size only");

  const auto id = [](const Descriptor& tensor) { return tensor.number(kTensorUniqueId); };
  const auto is_virtual = [](const Descriptor& t) { return t.has(kTensorIsVirtual) && t.number(kTensorIsVirtual); };
  const auto type = [](const Descriptor& t) { return static_cast<DataType>(t.number(kTensorDataType)); };
  const Descriptor& a = data ? y : x;  // the operands of the convolution,
  const Descriptor& b = forward ? w : data ? w : y;
  const Descriptor* out = forward ? &y : data ? &x : &w;  // and what it writes
  require(type(a) == type(b) && !is_virtual(a) && !is_virtual(b), kNotSupported, "operands of a convolution");
  p.type = type(a);
  p.x = id(x), p.filter = id(w), p.y = id(y);

  for (size_t i = 1; i < operations.size(); ++i) {
    const Descriptor& o = *operations[i];
    require(o.type == kOperationPointwiseDescriptor, kNotSupported, "pointwise operations follow a convolution");
    const auto mode = static_cast<api::PointwiseMode>(o.link(kOperationPointwise).number(kPointwiseMode));
    const bool backward = mode == kPointwiseReluBackward;
    const Descriptor& from = o.link(backward ? kOperationPointwiseDy : kOperationPointwiseX);
    require(is_virtual(*out) && type(*out) == kFloat, kNotSupported, "float between operations");
    require(id(from) == id(*out), kBadParam, "operations must follow each other");
    const Descriptor& what = o.link(kOperationPointwise);
    const bool nan = what.has(kPointwiseNanPropagation) && what.number(kPointwiseNanPropagation) == kPropagateNan;
    Step step{mode, 0, false, nan};
    if (backward || mode == kPointwiseAdd) {
      const Descriptor& operand = o.link(backward ? kOperationPointwiseX : kOperationPointwiseB);
      const auto shape = operand.value(kTensorDimensions).numbers;
      const auto image = out->value(kTensorDimensions).numbers;
      const bool bias = shape == std::vector<int64_t>({1, image[1], 1, 1});
      require((shape == image && type(operand) == p.type) || (bias && type(operand) == kFloat), kNotSupported,
              "operand of a pointwise operation");
      step.operand = id(operand);
      step.per_channel = bias;
    }
    out = &o.link(backward ? kOperationPointwiseDx : kOperationPointwiseY);
    p.steps.push_back(step);
  }
  require(!is_virtual(*out), kBadParam, "the last result is virtual");
  p.result = id(*out);
  p.result_type = type(*out);
  require(p.result_type == p.type, kNotSupported, "a result of another type than the operands");
  return p;
}

}  // namespace fake_cudnn
