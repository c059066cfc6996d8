#include "comm/mpi_library.h"

#include <dlfcn.h>

#include <cstring>

#include "core/error.h"

namespace bandlift::mpi {

const char* abi_name(Abi abi) {
  switch (abi) {
    case Abi::standard:
      return "standard ABI";
    case Abi::mpich:
      return "MPICH's ABI";
    case Abi::open_mpi:
      return "Open MPI's ABI";
  }
  return "";
}

namespace {

// Large enough for all: MPICH and the standard say 8192, Open MPI 256.
constexpr int kVersionText = 8192;

void* symbol(void* handle, const char* name) {
  void* found = dlsym(handle, name);
  BANDLIFT_CHECK(found, device, std::string("it has no ") + name);
  return found;
}

template <class F>
void take(F& function, void* handle, const char* name) {
  function = reinterpret_cast<F>(symbol(handle, name));
}

// As mpi4py tells them apart (its _mpiabi.py): a library with the standard ABI says its version, Open MPI has objects.
Abi tell_abi(void* handle) {
  if (void* version = dlsym(handle, "MPI_Abi_get_version")) {
    int major = 0, minor = 0;
    if (reinterpret_cast<int (*)(int*, int*)>(version)(&major, &minor) == 0 && major > 0) return Abi::standard;
  }
  return dlsym(handle, "ompi_mpi_comm_world") ? Abi::open_mpi : Abi::mpich;
}

void constants(Library& library, void* handle) {
  const auto address = [&](const char* name) { return reinterpret_cast<Handle>(symbol(handle, name)); };
  library.serialized = 2;
  switch (library.abi) {
    case Abi::standard:
      library.world = 0x101, library.f32 = 0x210, library.f64 = 0x214, library.byte = 0x247, library.sum = 0x21;
      library.in_place = reinterpret_cast<void*>(1);
      library.serialized = 2048;
      return;
    case Abi::mpich:
      library.world = 0x44000000, library.f32 = 0x4c00040a, library.f64 = 0x4c00080b, library.byte = 0x4c00010d;
      library.sum = 0x58000003;
      library.in_place = reinterpret_cast<void*>(-1);
      return;
    case Abi::open_mpi:
      library.world = address("ompi_mpi_comm_world");
      library.f32 = address("ompi_mpi_float");
      library.f64 = address("ompi_mpi_double");
      library.byte = address("ompi_mpi_byte");
      library.sum = address("ompi_mpi_op_sum");
      library.in_place = reinterpret_cast<void*>(1);
      return;
  }
}

Library read(void* handle, const std::string& name) {
  Library library{};
  library.path = name;
  library.abi = tell_abi(handle);
  constants(library, handle);
  take(library.init_thread, handle, "MPI_Init_thread");
  take(library.finalize, handle, "MPI_Finalize");
  take(library.comm_rank, handle, "MPI_Comm_rank");
  take(library.comm_size, handle, "MPI_Comm_size");
  take(library.bcast, handle, "MPI_Bcast");
  take(library.allreduce, handle, "MPI_Allreduce");
  take(library.gather, handle, "MPI_Gather");
  take(library.allgather, handle, "MPI_Allgather");
  take(library.barrier, handle, "MPI_Barrier");
  take(library.abort, handle, "MPI_Abort");
  int (*version)(char*, int*);
  take(version, handle, "MPI_Get_library_version");
  std::vector<char> text(kVersionText + 1, 0);
  int length = 0;
  version(text.data(), &length);
  // MPICH writes "MPICH Version:      4.0.2\n...", Open MPI "Open MPI v4.1.4, package: ..."
  std::string line(text.data(), strcspn(text.data(), "\n,"));
  for (size_t i = 0; i < line.size();)
    if (line[i] == '\t' || (line[i] == ' ' && i + 1 < line.size() && line[i + 1] == ' '))
      line.erase(i, 1);
    else
      ++i;
  library.version = line;
  return library;
}

}  // namespace

Library open(const std::vector<std::string>& names, std::vector<Tried>& tried) {
  for (const std::string& name : names) {
    void* handle = dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL);
    if (!handle) {
      const char* why = dlerror();
      tried.push_back({name, why ? why : "cannot be opened"});
      continue;
    }
    try {
      Library library = read(handle, name);
      tried.push_back({name, ""});
      return library;
    } catch (const Error& error) {
      tried.push_back({name, error.what()});
    }
  }
  std::string text = "no MPI library can be opened";
  for (const Tried& one : tried) text += "; " + one.name + ": " + one.failure;
  throw Error(ErrorCode::device, text);
}

std::string level_name(const Library& library, int level) {
  const int step = library.abi == Abi::standard ? 1024 : 1;
  if (level == 0) return "MPI_THREAD_SINGLE";
  if (level == step) return "MPI_THREAD_FUNNELED";
  if (level == library.serialized) return "MPI_THREAD_SERIALIZED";
  if (level > library.serialized) return "MPI_THREAD_MULTIPLE";
  return "thread level " + std::to_string(level);
}

}  // namespace bandlift::mpi
