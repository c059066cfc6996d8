// The only place that includes napi.h; its macros are set in CMakeLists.txt.
#pragma once
#include <napi.h>
