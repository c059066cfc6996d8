// A backend descriptor that is destroyed with its owner.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cuda/cudnn/library.h"

namespace bandlift::cuda::cudnn {

class Descriptor {
 public:
  Descriptor(const Api& api, DescriptorType type) : api_(&api) {
    check(api, api.cudnnBackendCreateDescriptor(type, &descriptor_),
          "creating a descriptor of type " + std::to_string(type));
  }
  ~Descriptor() {
    if (descriptor_) api_->cudnnBackendDestroyDescriptor(descriptor_);
  }
  Descriptor(Descriptor&& other) noexcept : api_(other.api_), descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(api_, other.api_);
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  BackendDescriptor get() const { return descriptor_; }

  // ---- attributes of one element or several; every failure but try_finalize's is thrown ----
  void set(Attribute attribute, AttributeType type, int64_t count, const void* elements) {
    check(*api_, api_->cudnnBackendSetAttribute(descriptor_, attribute, type, count, elements),
          "setting attribute " + std::to_string(attribute));
  }
  void set(Attribute attribute, int64_t value) { set(attribute, kTypeInt64, 1, &value); }
  void set(Attribute attribute, bool value) { set(attribute, kTypeBoolean, 1, &value); }
  void set(Attribute attribute, float value) { set(attribute, kTypeFloat, 1, &value); }
  void set(Attribute attribute, DataType value) { set(attribute, kTypeDataType, 1, &value); }
  void set(Attribute attribute, ConvolutionMode value) { set(attribute, kTypeConvolutionMode, 1, &value); }
  void set(Attribute attribute, PointwiseMode value) { set(attribute, kTypePointwiseMode, 1, &value); }
  void set(Attribute attribute, HeuristicMode value) { set(attribute, kTypeHeuristicMode, 1, &value); }
  void set(Attribute attribute, Handle value) { set(attribute, kTypeHandle, 1, &value); }
  void set(Attribute attribute, const std::vector<int64_t>& values) {
    set(attribute, kTypeInt64, static_cast<int64_t>(values.size()), values.data());
  }
  void set(Attribute attribute, const Descriptor& value) { set(attribute, kTypeDescriptor, 1, &value.descriptor_); }
  void set(Attribute attribute, const std::vector<Descriptor>& values) {
    std::vector<BackendDescriptor> pointers;
    for (const Descriptor& value : values) pointers.push_back(value.descriptor_);
    set(attribute, kTypeDescriptor, static_cast<int64_t>(pointers.size()), pointers.data());
  }

  Status try_finalize() { return api_->cudnnBackendFinalize(descriptor_); }
  void finalize(const std::string& what) { check(*api_, try_finalize(), what); }

  template <typename T>
  T read(Attribute attribute, AttributeType type) const {
    T value{};
    int64_t count = 0;
    check(*api_, api_->cudnnBackendGetAttribute(descriptor_, attribute, type, 1, &count, &value),
          "reading attribute " + std::to_string(attribute));
    return value;
  }
  // All elements, at most `most`.
  template <typename T>
  std::vector<T> read_all(Attribute attribute, AttributeType type, int64_t most) const {
    std::vector<T> values(static_cast<size_t>(most));
    int64_t count = 0;
    check(*api_, api_->cudnnBackendGetAttribute(descriptor_, attribute, type, most, &count, values.data()),
          "reading attribute " + std::to_string(attribute));
    values.resize(static_cast<size_t>(count < most ? count : most));
    return values;
  }
  // Descriptors are filled in place, so they are made first.
  std::vector<Descriptor> read_descriptors(Attribute attribute, DescriptorType type, int64_t most) const {
    std::vector<Descriptor> made;
    std::vector<BackendDescriptor> pointers;
    for (int64_t i = 0; i < most; ++i) {
      made.emplace_back(*api_, type);
      pointers.push_back(made.back().get());
    }
    int64_t count = 0;
    check(*api_, api_->cudnnBackendGetAttribute(descriptor_, attribute, kTypeDescriptor, most, &count, pointers.data()),
          "reading attribute " + std::to_string(attribute));
    while (static_cast<int64_t>(made.size()) > count) made.pop_back();
    return made;
  }
  std::string read_text(Attribute attribute) const {
    const std::vector<char> text = read_all<char>(attribute, kTypeChar, count(attribute, kTypeChar));
    return {text.begin(), text.end()};
  }
  int64_t count(Attribute attribute, AttributeType type) const {
    int64_t count = 0;
    check(*api_, api_->cudnnBackendGetAttribute(descriptor_, attribute, type, 0, &count, nullptr),
          "counting attribute " + std::to_string(attribute));
    return count;
  }

 private:
  const Api* api_;
  BackendDescriptor descriptor_ = nullptr;
};

}  // namespace bandlift::cuda::cudnn
