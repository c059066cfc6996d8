#include "comm/mpi_communicator.h"

#include <algorithm>
#include <atomic>
#include <climits>
#include <utility>
#include <vector>

#include "core/error.h"

namespace bandlift::mpi {

namespace {

// Counts are int in these calls: longer arrays go in pieces.
constexpr size_t kMost = size_t{1} << 30;
// Numbers of each rank that rank 0 holds at once when it sums in order: 1 MB for each.
constexpr size_t kOrdered = size_t{1} << 18;

std::atomic<bool> initialised{false};

}  // namespace

MpiCommunicator::MpiCommunicator(Library library) : library_(std::move(library)) {
  BANDLIFT_CHECK(!initialised.exchange(true), device,
                 "MPI was initialised in this process before; it can be only once");
  int granted = 0;
  check(library_.init_thread(nullptr, nullptr, library_.serialized, &granted), "MPI_Init_thread");
  level_ = level_name(library_, granted);
  BANDLIFT_CHECK(granted >= library_.serialized, device,
                 library_.path + " (" + library_.version + ") grants " + level_ +
                     "; bandlift calls it from a thread of its own and needs MPI_THREAD_SERIALIZED: use an MPI that "
                     "was built with threads");
  check(library_.comm_rank(library_.world, &rank_), "MPI_Comm_rank");
  check(library_.comm_size(library_.world, &size_), "MPI_Comm_size");
}

std::string MpiCommunicator::name() const {
  return "MPI: " + library_.version + " (" + library_.path + ", " + abi_name(library_.abi) + ", " + level_ + ")";
}

// Errors end the program inside MPI unless its handler was changed; this is for libraries that return all the same.
void MpiCommunicator::check(int code, const char* call) const {
  BANDLIFT_CHECK(code == 0, internal, std::string(call) + " failed with code " + std::to_string(code));
}

void MpiCommunicator::sum(float* values, size_t count) {
  for (size_t start = 0; start < count; start += kMost) {
    const int part = static_cast<int>(std::min(kMost, count - start));
    check(library_.allreduce(library_.in_place, values + start, part, library_.f32, library_.sum, library_.world),
          "MPI_Allreduce");
  }
}

void MpiCommunicator::sum_in_order(float* values, size_t count) {
  std::vector<float> all;
  for (size_t start = 0; start < count; start += kOrdered) {
    const size_t part = std::min(kOrdered, count - start);
    const int n = static_cast<int>(part);
    if (rank_ == 0) all.resize(part * size_);
    check(library_.gather(values + start, n, library_.f32, all.data(), n, library_.f32, 0, library_.world),
          "MPI_Gather");
    if (rank_ == 0)
      for (int rank = 1; rank < size_; ++rank) {
        const float* other = all.data() + part * rank;
        for (size_t i = 0; i < part; ++i) values[start + i] += other[i];
      }
    check(library_.bcast(values + start, n, library_.f32, 0, library_.world), "MPI_Bcast");
  }
}

void MpiCommunicator::all_gather(const double* own, double* all, size_t count) {
  BANDLIFT_CHECK(count <= kMost, shape, "too many numbers for one gather");
  const int n = static_cast<int>(count);
  check(library_.allgather(own, n, library_.f64, all, n, library_.f64, library_.world), "MPI_Allgather");
}

void MpiCommunicator::broadcast(void* data, size_t bytes, int root) {
  char* next = static_cast<char*>(data);
  for (size_t start = 0; start < bytes; start += kMost) {
    const int part = static_cast<int>(std::min(kMost, bytes - start));
    check(library_.bcast(next + start, part, library_.byte, root, library_.world), "MPI_Bcast");
  }
}

void MpiCommunicator::barrier() {
  check(library_.barrier(library_.world), "MPI_Barrier");
}

void MpiCommunicator::finish() {
  check(library_.finalize(), "MPI_Finalize");
}

}  // namespace bandlift::mpi
