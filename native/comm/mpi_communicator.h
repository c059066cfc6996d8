// All processes of an mpirun or srun (MPI_COMM_WORLD) as a communicator.
#pragma once
#include <string>

#include "comm/communicator.h"
#include "comm/mpi_library.h"

namespace bandlift::mpi {

class MpiCommunicator final : public Communicator {
 public:
  // Initialises MPI, once in a process, on the thread that makes all later calls. Throws Error(device) where the
  // library grants less than MPI_THREAD_SERIALIZED: it would have to be called by the process's first thread, which is
  // JavaScript's.
  explicit MpiCommunicator(Library library);
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string name() const override;
  const Library& library() const { return library_; }
  std::string level() const { return level_; }

  void sum(float* values, size_t count) override;
  void sum_in_order(float* values, size_t count) override;
  void all_gather(const double* own, double* all, size_t count) override;
  void broadcast(void* data, size_t bytes, int root) override;
  void barrier() override;
  void finish() override;

 private:
  void check(int code, const char* call) const;

  Library library_;
  std::string level_;
  int rank_ = 0, size_ = 1;
};

}  // namespace bandlift::mpi
