// What the stand-in keeps of each backend descriptor, and what it checks of them. As strict as cuDNN: unknown
// attributes, wrong types or counts, missing attributes, use before finalize and shapes that do not fit are refused.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuda/cudnn/api.h"

namespace fake_cudnn {

namespace api = bandlift::cuda::cudnn;

enum : api::Status {
  kBadParam = 2000,
  kNullPointer = 2002,
  kNotFinalized = 2004,
  kBadAttributeType = 2010,
  kNotSupported = 3000,
  kExecutionFailed = 5000
};

// Fails the call with a sentence that cudnnGetLastErrorString then tells.
struct Failure {
  api::Status status;
  std::string message;
};
inline void require(bool condition, api::Status status, const std::string& message) {
  if (!condition) throw Failure{status, message};
}

struct Descriptor;
using Link = std::shared_ptr<const Descriptor>;

struct Value {
  api::AttributeType type{};
  std::vector<int64_t> numbers;   // of integers, enumerations, booleans, pointers; floats as their bits
  std::vector<Link> descriptors;  // as they were when they were set
};

struct Descriptor {
  api::DescriptorType type{};
  bool finalized = false;
  std::map<int, Value> values;

  bool has(api::Attribute a) const { return values.count(a) != 0; }
  const Value& value(api::Attribute a) const;  // fails where it was not set
  int64_t number(api::Attribute a, size_t i = 0) const { return value(a).numbers.at(i); }
  const Descriptor& link(api::Attribute a, size_t i = 0) const { return *value(a).descriptors.at(i); }
};

// Bytes of an element of an attribute of this type.
size_t element_bytes(api::AttributeType type);

void set_attribute(Descriptor& d, api::Attribute a, api::AttributeType type, int64_t count, const void* elements);
// Checks that everything is there and fits.
void finalize(Descriptor& d);

// ---- an operation graph as finalize() understood it ----
struct Step {
  api::PointwiseMode mode;
  int64_t operand;   // unique id, or 0
  bool per_channel;  // the operand has one number for each channel
  bool keeps_nan;    // ReLU of NaN is NaN, else 0
};
struct Problem {
  api::DescriptorType convolution;  // one of the three operations
  api::DataType type, result_type;
  int64_t n, h, w, ci, co, kh, kw, pad_h, pad_w;
  int64_t x, filter, y;  // unique ids; the convolution's result's among them
  int64_t result;        // the unique id that is written in the end
  std::vector<Step> steps;
};
Problem understand(const Descriptor& graph);

}  // namespace fake_cudnn
