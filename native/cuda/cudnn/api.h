// The part of cuDNN 9's backend ("graph") API in use, declared here so that building needs no cuDNN: the library is
// opened at run time (native/cuda/library_search.h). Names and values are cuDNN's; every value and prototype was
// compared with the headers of 9.10.2, 9.14.0 and 9.28.1 by static_asserts. Values never change within a major version.
#pragma once
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace bandlift::cuda::cudnn {

using Status = int;  // 0: success; thousands give the category
inline constexpr Status kSuccess = 0;

struct HandleData;  // opaque
using Handle = HandleData*;
using BackendDescriptor = void*;

enum DataType : int { kFloat = 0, kHalf = 2, kBfloat16 = 9 };
enum ConvolutionMode : int { kCrossCorrelation = 1 };
enum PointwiseMode : int { kPointwiseAdd = 0, kPointwiseReluForward = 100, kPointwiseReluBackward = 200 };
enum NanPropagation : int { kPropagateNan = 1 };
enum HeuristicMode : int { kHeuristicFallback = 2, kHeuristicA = 3 };

enum NumericalNote : int {
  kNoteTensorCore = 0,
  kNoteDownConvertInputs = 1,
  kNoteReducedPrecisionReduction = 2,
  kNoteFft = 3,
  kNoteNondeterministic = 4,
  kNoteWinograd = 5,
  kNoteWinograd4x4 = 6,
  kNoteWinograd6x6 = 7,
  kNoteWinograd13x13 = 8
};
enum BehaviorNote : int { kNoteRuntimeCompilation = 0 };

enum DescriptorType : int {
  kPointwiseDescriptor = 0,
  kConvolutionDescriptor = 1,
  kEngineDescriptor = 2,
  kEngineConfigDescriptor = 3,
  kEngineHeuristicDescriptor = 4,
  kExecutionPlanDescriptor = 5,
  kKnobChoiceDescriptor = 7,
  kOperationForwardDescriptor = 10,
  kOperationBackwardFilterDescriptor = 11,
  kOperationBackwardDataDescriptor = 12,
  kOperationPointwiseDescriptor = 13,
  kOperationGraphDescriptor = 15,
  kVariantPackDescriptor = 16,
  kTensorDescriptor = 17,
  kDevicePropertiesDescriptor = 38  // since 9.8
};

// The type of an attribute's elements: what arrayOfElements points to.
enum AttributeType : int {
  kTypeHandle = 0,
  kTypeDataType = 1,
  kTypeBoolean = 2,  // bool
  kTypeInt64 = 3,
  kTypeFloat = 4,
  kTypeVoidPointer = 6,
  kTypeConvolutionMode = 7,
  kTypeHeuristicMode = 8,
  kTypeKnobType = 9,  // int
  kTypeNanPropagation = 10,
  kTypeNumericalNote = 11,
  kTypePointwiseMode = 14,
  kTypeDescriptor = 15,
  kTypeBehaviorNote = 19,
  kTypeChar = 24
};

enum Attribute : int {
  kPointwiseMode = 0,
  kPointwiseMathPrecision = 1,
  kPointwiseNanPropagation = 2,

  kConvolutionComputeType = 100,
  kConvolutionMode = 101,
  kConvolutionDilations = 102,
  kConvolutionFilterStrides = 103,
  kConvolutionPostPaddings = 104,
  kConvolutionPrePaddings = 105,
  kConvolutionSpatialDims = 106,

  kHeuristicMode = 200,
  kHeuristicOperationGraph = 201,
  kHeuristicResults = 202,
  kHeuristicDeviceProperties = 204,

  kEngineConfigEngine = 300,
  kEngineConfigKnobChoices = 302,

  kPlanHandle = 400,
  kPlanEngineConfig = 401,
  kPlanWorkspaceSize = 402,
  kPlanJson = 405,
  kPlanDeviceProperties = 407,

  kKnobChoiceType = 600,
  kKnobChoiceValue = 601,

  kForwardAlpha = 700,
  kForwardBeta = 701,
  kForwardConvolution = 702,
  kForwardW = 703,
  kForwardX = 704,
  kForwardY = 705,
  kBackwardDataAlpha = 706,
  kBackwardDataBeta = 707,
  kBackwardDataConvolution = 708,
  kBackwardDataW = 709,
  kBackwardDataDx = 710,
  kBackwardDataDy = 711,
  kBackwardFilterAlpha = 712,
  kBackwardFilterBeta = 713,
  kBackwardFilterConvolution = 714,
  kBackwardFilterDw = 715,
  kBackwardFilterX = 716,
  kBackwardFilterDy = 717,

  kOperationPointwise = 750,
  kOperationPointwiseX = 751,
  kOperationPointwiseB = 752,
  kOperationPointwiseY = 753,
  kOperationPointwiseDx = 756,
  kOperationPointwiseDy = 757,

  kOperationGraphHandle = 800,
  kOperationGraphOperations = 801,

  kTensorByteAlignment = 900,
  kTensorDataType = 901,
  kTensorDimensions = 902,
  kTensorStrides = 903,
  kTensorUniqueId = 906,
  kTensorIsVirtual = 907,

  kVariantPackUniqueIds = 1000,
  kVariantPackDataPointers = 1001,
  kVariantPackWorkspace = 1003,

  kEngineOperationGraph = 1300,
  kEngineGlobalIndex = 1301,
  kEngineNumericalNote = 1303,
  kEngineBehaviorNote = 1305,
  kEngineDeviceProperties = 1307,

  kDevicePropertiesJson = 2702
};

// Functions of libcudnn.so.9, found by these names: enumerations are ints in the C ABI.
struct Api {
  size_t (*cudnnGetVersion)() = nullptr;  // major * 10000 + minor * 100 + patch
  size_t (*cudnnGetCudartVersion)() = nullptr;
  const char* (*cudnnGetErrorString)(Status) = nullptr;
  void (*cudnnGetLastErrorString)(char* message, size_t max_size) = nullptr;
  Status (*cudnnCreate)(Handle*) = nullptr;
  Status (*cudnnDestroy)(Handle) = nullptr;
  Status (*cudnnSetStream)(Handle, cudaStream_t) = nullptr;
  Status (*cudnnBackendCreateDescriptor)(DescriptorType, BackendDescriptor*) = nullptr;
  Status (*cudnnBackendDestroyDescriptor)(BackendDescriptor) = nullptr;
  Status (*cudnnBackendFinalize)(BackendDescriptor) = nullptr;
  Status (*cudnnBackendSetAttribute)(BackendDescriptor, Attribute, AttributeType, int64_t count,
                                     const void* elements) = nullptr;
  Status (*cudnnBackendGetAttribute)(BackendDescriptor, Attribute, AttributeType, int64_t requested, int64_t* count,
                                     void* elements) = nullptr;
  Status (*cudnnBackendExecute)(Handle, BackendDescriptor plan, BackendDescriptor variant_pack) = nullptr;
};

}  // namespace bandlift::cuda::cudnn
