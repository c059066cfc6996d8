// MPI, opened at run time: nothing is compiled on the site, and the addon loads where there is none. Three binary
// interfaces (ABIs) exist, which differ in what a handle is and in the numbers of constants:
//   standard   libmpi_abi.so.1: MPI 5.0's, handles are pointers with fixed values (MPI 5.0, chapter 20)
//   mpich      libmpi.so.12 of MPICH, Intel MPI, MVAPICH, Cray: handles are 32-bit integers
//   open_mpi   libmpi.so.40 of Open MPI: handles are addresses of its objects
// All handles are passed as 64-bit words: in the calling conventions of x86-64 (System V) and AArch64 an integer
// argument is the low half of the same register, so one type of function serves the three.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace bandlift::mpi {

enum class Abi { standard, mpich, open_mpi };
const char* abi_name(Abi abi);

using Handle = std::uintptr_t;

// What is needed of a library, as it has it.
struct Library {
  Abi abi = Abi::standard;
  std::string path;     // the name it was opened by
  std::string version;  // the first line of what it says of itself
  Handle world, f32, f64, byte, sum;
  void* in_place;
  int serialized;  // MPI_THREAD_SERIALIZED

  int (*init_thread)(int*, char***, int, int*);
  int (*finalize)();
  int (*comm_rank)(Handle, int*);
  int (*comm_size)(Handle, int*);
  int (*bcast)(void*, int, Handle, int, Handle);
  int (*allreduce)(const void*, void*, int, Handle, Handle, Handle);
  int (*gather)(const void*, int, Handle, void*, int, Handle, int, Handle);
  int (*allgather)(const void*, int, Handle, void*, int, Handle, Handle);
  int (*barrier)(Handle);
  int (*abort)(Handle, int);
};

struct Tried {
  std::string name, failure;  // failure is empty where it was opened
};

// The first of these names (files, or what the loader finds) that can be opened and has all functions. Throws
// Error(device) with every failure where none has. `tried` is filled either way.
Library open(const std::vector<std::string>& names, std::vector<Tried>& tried);

// The thread level as MPI calls it, from the library's number.
std::string level_name(const Library& library, int level);

}  // namespace bandlift::mpi
