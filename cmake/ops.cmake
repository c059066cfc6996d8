# The operators: every folder native/ops/<op> with a file <op>.h, which defines BANDLIFT_OPS_<OP>. Writes ops/ops.h, which
# includes them all, in the build folder, and sets OPS_INCLUDE to where it lies. A new folder is found by the next build.
file(GLOB op_headers CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/native ${CMAKE_SOURCE_DIR}/native/ops/*/*.h)
set(op_includes "")
set(op_lines "")
foreach(header ${op_headers})
  get_filename_component(name ${header} NAME_WE)
  get_filename_component(folder ${header} DIRECTORY)
  get_filename_component(folder ${folder} NAME)
  if(name STREQUAL folder)
    string(TOUPPER ${name} upper)
    string(APPEND op_includes "#include \"${header}\"\n")
    string(APPEND op_lines " \\\n  BANDLIFT_OPS_${upper}(OP, OP_WITH_WORKSPACE)")
  endif()
endforeach()
set(OPS_INCLUDE ${CMAKE_BINARY_DIR}/generated)
file(CONFIGURE OUTPUT ${OPS_INCLUDE}/ops/ops.h @ONLY CONTENT
"// Written by cmake/ops.cmake from the folders of native/ops.
#pragma once
@op_includes@
#define BANDLIFT_OPS(OP, OP_WITH_WORKSPACE)@op_lines@
")
include_directories(${OPS_INCLUDE})
